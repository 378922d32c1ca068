"""The registry of plugins: loading, validation, and look-up by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, MutableMapping
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import pluggy

from unblur.errors import PluginError, UsageError, describe_exception, unknown_name
from unblur.model.formats import Reader, Writer
from unblur.model.stages import KIND_CLASSES, Kind, Stage
from unblur.plugins import hookspecs
from unblur.plugins.markers import PROJECT
from unblur.plugins.references import ClassTable, StageReference, TrainerReference


@dataclass(frozen=True)
class BrokenPlugin:
    """A plugin that could not be used, and why. The others work on."""

    name: str
    cause: str

    def __str__(self) -> str:
        return f"plugin '{self.name}': {self.cause}"


@dataclass
class Registry:
    """All that the installed plugins registered.

    Attributes
    ----------
    stages : mapping of (kind, name) to class
        Every usable stage; one registered by reference is imported when it is looked up.
    pipelines : dict of name to path
        Pipeline files.
    trainers : mapping of name to class
        Models that can be trained; those registered by reference are imported when looked up.
    readers, writers : dict of name to class
        File formats.
    origins : dict of object to plugin name
        Who registered what.
    broken : list of BrokenPlugin
        What failed, to be shown rather than raised.
    """

    stages: MutableMapping[tuple[Kind, str], type[Stage]] = field(init=False)
    pipelines: dict[str, Path] = field(default_factory=dict)
    trainers: MutableMapping[str, Any] = field(init=False)
    readers: dict[str, type[Reader]] = field(default_factory=dict)
    writers: dict[str, type[Writer]] = field(default_factory=dict)
    origins: dict[Any, str] = field(default_factory=dict)
    broken: list[BrokenPlugin] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stages = ClassTable(self._load_stage)
        self.trainers = ClassTable(self._load_trainer)

    def _load_stage(self, key: tuple[Kind, str], reference: StageReference) -> type[Stage]:
        def check(cls: Any) -> None:
            check_stage_class(cls)
            if (cls.kind, cls.name) != key:
                raise PluginError(f"{reference.target} is not the {key[0]} stage '{key[1]}'.")

        loaded: type[Stage] = self._load(reference, check)
        return loaded

    def _load_trainer(self, name: str, reference: TrainerReference) -> Any:
        def check(cls: Any) -> None:
            check_trainer_class(cls)
            if cls.name != name:
                raise PluginError(f"{reference.target} is not the trainer '{name}'.")

        return self._load(reference, check)

    def _load(
        self, reference: StageReference | TrainerReference, check: Callable[[Any], None]
    ) -> Any:
        """Import what a plugin registered by reference; an error is listed as broken."""
        origin = self.origins.pop(reference)
        try:
            cls = reference.load()
            check(cls)
        except SystemExit as error:
            cause = describe_exception(error)
            self.broken.append(BrokenPlugin(origin, cause))
            raise PluginError(f"plugin '{origin}' ended the program ({cause}).") from error
        except Exception as error:
            self.broken.append(BrokenPlugin(origin, describe_exception(error)))
            raise
        self.origins[cls] = origin
        return cls

    def stage(self, kind: Kind, name: str) -> type[Stage]:
        """Return the stage class of that kind and name, or raise `UsageError` with a suggestion."""
        try:
            return self.stages[kind, name]
        except KeyError:
            names = [n for k, n in self.stages if k == kind]
            raise UsageError(self._unknown(f"{kind} stage", name, names)) from None

    def stages_of(self, kind: Kind) -> dict[str, type[Stage]]:
        """Return all stages of one kind by name, sorted."""
        names = sorted(name for other, name in self.stages if other == kind)
        found = ((name, self.stages.get((kind, name))) for name in names)
        return {name: cls for name, cls in found if cls is not None}

    def pipeline(self, name: str) -> Path:
        """Return the file of a registered pipeline, or raise `UsageError` with a suggestion."""
        try:
            return self.pipelines[name]
        except KeyError:
            raise UsageError(self._unknown("pipeline", name, self.pipelines)) from None

    def trainer(self, name: str) -> Any:
        """Return the trainer class of that name, or raise `UsageError` with a suggestion."""
        try:
            return self.trainers[name]
        except KeyError:
            raise UsageError(self._unknown("model", name, self.trainers)) from None

    def left_out(self) -> str:
        """Return a sentence for each broken plugin, after a space; "" if there is none.

        Error messages about unknown names and formats end with it, since a broken plugin may
        be the one that registers them.
        """
        return "".join(f" Left out: {str(broken).rstrip('.')}." for broken in self.broken)

    def _unknown(self, what: str, name: str, known: Iterable[str]) -> str:
        return unknown_name(what, name, known) + self.left_out()


def plugin_manager(load_installed: bool = True) -> pluggy.PluginManager:
    """Return a pluggy manager with our hooks and, by default, the installed plugins.

    A plugin that cannot be imported does not stop the rest; `registry` reports it.
    """
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    if load_installed:
        for entry in sorted(metadata.entry_points(group=PROJECT), key=lambda e: e.name):
            try:
                register(manager, entry.load(), entry.name)
            except (Exception, SystemExit) as error:
                _failures(manager).append(BrokenPlugin(entry.name, describe_exception(error)))
    return manager


def register(manager: pluggy.PluginManager, plugin: Any, name: str) -> None:
    """Register a plugin module or object; raise `PluginError` if a hook does not fit its spec."""
    stray = [attribute for attribute in dir(plugin) if _is_stray(plugin, attribute)]
    if stray:
        hooks = [h for h in vars(hookspecs) if h.startswith("unblur_")]
        raise PluginError(f"plugin '{name}': {unknown_name('hook', stray[0], hooks)}")
    try:
        manager.register(plugin, name)
    except pluggy.PluginValidationError as error:
        manager.unregister(name=name)
        raise PluginError(f"plugin '{name}': {' '.join(str(error).split())}.") from None


def _is_stray(plugin: Any, attribute: str) -> bool:
    marked = getattr(getattr(plugin, attribute), f"{PROJECT}_impl", None) is not None
    return marked and not hasattr(hookspecs, attribute)


@cache
def registry() -> Registry:
    """Return what the installed plugins registered; computed once per process."""
    return collect(plugin_manager())


def collect(manager: pluggy.PluginManager) -> Registry:
    """Return what the plugins of `manager` register; one that fails is listed as broken."""
    found = Registry(broken=list(_failures(manager)))
    for path in _shipped_pipelines():
        found.pipelines[path.stem] = path
    for name, plugin in manager.list_name_plugin():
        try:
            _collect_one(found, manager, name, plugin)
        except (Exception, SystemExit) as error:
            found.broken.append(BrokenPlugin(name, describe_exception(error)))
    return found


def _collect_one(found: Registry, manager: pluggy.PluginManager, name: str, plugin: Any) -> None:
    hooks = manager.subset_hook_caller
    others = [p for _, p in manager.list_name_plugin() if p is not plugin]
    additions: list[tuple[MutableMapping[Any, Any], Any, Any]] = []

    def call(hook: str) -> Iterable[Any]:
        return [item for batch in hooks(hook, others)() for item in batch]

    for cls in call("unblur_stages"):
        if not isinstance(cls, StageReference):
            check_stage_class(cls)
        additions.append((found.stages, (cls.kind, cls.name), cls))
    for path in call("unblur_pipelines"):
        if not Path(path).is_file():
            raise PluginError(f"registers the pipeline file {path}, which is not there.")
        additions.append((found.pipelines, Path(path).stem, Path(path)))
    for cls in call("unblur_trainers"):
        if not isinstance(cls, TrainerReference):
            check_trainer_class(cls)
        additions.append((found.trainers, cls.name, cls))
    for cls in call("unblur_readers"):
        check_format_class(cls, Reader)
        additions.append((found.readers, cls.name, cls))
    for cls in call("unblur_writers"):
        check_format_class(cls, Writer)
        additions.append((found.writers, cls.name, cls))
    claims = [(id(target), key) for target, key, _ in additions]
    for target, key, _ in additions:
        if key in target or claims.count((id(target), key)) > 1:
            raise PluginError(f"registers {key}, which is registered already.")
    for target, key, value in additions:
        target[key] = value
        found.origins[value] = name


def check_stage_class(cls: Any) -> None:
    """Raise `PluginError` unless `cls` is a complete stage class: kind, name, summary, methods."""
    if not (inspect.isclass(cls) and issubclass(cls, Stage)):
        raise PluginError(f"registers {cls!r} as a stage; expected a subclass of unblur.Stage.")
    if not issubclass(cls, tuple(KIND_CLASSES.values())):
        kinds = ", ".join(c.__name__ for c in KIND_CLASSES.values())
        raise PluginError(f"stage {cls.__name__} derives from none of {kinds}.")
    _check_complete(cls, "stage", ("name", "summary"))


def check_trainer_class(cls: Any) -> None:
    """Raise `PluginError` unless `cls` is a complete trainer class: name, summary, methods."""
    if not (inspect.isclass(cls) and hasattr(cls, "Params")):
        raise PluginError(
            f"registers {cls!r} as a trainer; expected a subclass of unblur.training.Trainer."
        )
    _check_complete(cls, "trainer", ("name", "summary"))


def check_format_class(cls: Any, base: type[Reader | Writer]) -> None:
    """Raise `PluginError` unless `cls` is a complete `Reader` or `Writer`, whichever `base` is."""
    kind = base.__name__.lower()
    if not (inspect.isclass(cls) and issubclass(cls, base)):
        raise PluginError(f"registers {cls!r} as a {kind}; expected a subclass of {base.__name__}.")
    _check_complete(cls, kind, ("name",))
    suffixes = getattr(cls, "suffixes", None)
    if not (isinstance(suffixes, tuple) and suffixes and all(map(_is_suffix, suffixes))):
        raise PluginError(
            f"{kind} '{cls.name}' has the suffixes {suffixes!r}; expected a tuple of strings in "
            'lower case that begin with a dot, e.g. (".abc",).'
        )


def _check_complete(cls: Any, kind: str, attributes: Iterable[str]) -> None:
    """Raise `PluginError` unless the class has the string attributes and no abstract method."""
    for attribute in attributes:
        if not isinstance(getattr(cls, attribute, None), str):
            raise PluginError(f"{kind} {cls.__name__} lacks the class attribute '{attribute}'.")
    if inspect.isabstract(cls):
        missing = ", ".join(sorted(cls.__abstractmethods__))
        raise PluginError(f"{kind} '{cls.name}' does not implement {missing}.")


def _is_suffix(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(".") and value == value.lower()


def _shipped_pipelines() -> list[Path]:
    package = Path(__file__).parents[1]
    for folder in (package / "pipelines", package.parent.parent / "pipelines"):
        if folder.is_dir():
            return sorted(folder.glob("*.yaml"))
    return []


def _failures(manager: pluggy.PluginManager) -> list[BrokenPlugin]:
    if not hasattr(manager, "unblur_failures"):
        manager.unblur_failures = []  # type: ignore[attr-defined]
    return manager.unblur_failures  # type: ignore[attr-defined,no-any-return]
