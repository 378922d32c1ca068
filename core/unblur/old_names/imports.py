"""Old names of modules and of what they hold, read through the import system."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

from unblur.old_names.attributes import add_old_attributes, attributes_of
from unblur.old_names.warning import warn_renamed
from unblur.renamed import ATTRIBUTES, MODULES, NAMES

if TYPE_CHECKING:
    from importlib.abc import Loader, MetaPathFinder
else:
    # The base classes add nothing that is used here, and take a third of `import unblur`: they
    # import tempfile, shutil and random.
    Loader = MetaPathFinder = object

_CHANGED_MODULES = frozenset(key.partition(":")[0] for key in (*NAMES, *ATTRIBUTES))
"""Modules some of whose contents were renamed."""


def _names_of(module: str) -> dict[str, str]:
    """Return the rows of `NAMES` for a module: where each old name is now."""
    keys = (key.partition(":") for key in NAMES)
    return {old: NAMES[f"{home}:{old}"] for home, _, old in keys if home == module}


def add_old_names(module: ModuleType) -> None:
    """Make a module that was just executed answer to the old names of its contents."""
    for cls, attributes in attributes_of(module.__name__).items():
        add_old_attributes(module, cls, attributes)
    names = _names_of(module.__name__)
    if names:
        fallback = vars(module).get("__getattr__")
        vars(module)["__getattr__"] = _lookup(module.__name__, names, fallback)


def _lookup(
    module: str, names: Mapping[str, str], fallback: Callable[[str], Any] | None
) -> Callable[[str], Any]:
    def __getattr__(name: str) -> Any:
        if name in names:
            home, _, new = names[name].partition(":")
            warn_renamed(f"{module}.{name}", f"{home}.{new}")
            return getattr(import_module(home), new)
        if fallback is not None:
            return fallback(name)
        raise AttributeError(f"module '{module}' has no attribute '{name}'")

    return __getattr__


class _RenamedModule(Loader):
    """Loader that puts the module with the new name in the place of the old one."""

    def __init__(self, new: str) -> None:
        self.new = new

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        warn_renamed(module.__name__, self.new, stacklevel=6)
        sys.modules[module.__name__] = import_module(self.new)


class _ModuleWithOldNames(Loader):
    """Loader of a module some of whose contents were renamed."""

    def __init__(self, loader: Loader) -> None:
        self.loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self.loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self.loader.exec_module(module)
        add_old_names(module)


class OldNames(MetaPathFinder):
    """Finder of the modules that `unblur.renamed` mentions."""

    def __init__(self) -> None:
        self._searched: set[str] = set()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return a spec whose loader adds the old names, or None for any other module."""
        head = ".".join(fullname.split(".")[:2])
        if fullname in MODULES:
            return ModuleSpec(fullname, _RenamedModule(MODULES[fullname]))
        if head in MODULES:
            return ModuleSpec(fullname, _RenamedModule(MODULES[head] + fullname[len(head) :]))
        if fullname in self._searched or fullname not in _CHANGED_MODULES:
            return None
        spec = self._spec_of_others(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _ModuleWithOldNames(spec.loader)
        return spec

    def _spec_of_others(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None
    ) -> ModuleSpec | None:
        """Return the spec of the first other finder; one of these may come back to this one."""
        self._searched.add(fullname)
        try:
            finders = (finder for finder in sys.meta_path if hasattr(finder, "find_spec"))
            specs = (finder.find_spec(fullname, path, target) for finder in finders)
            return next((spec for spec in specs if spec is not None), None)
        finally:
            self._searched.discard(fullname)


def install() -> None:
    """Make modules and their contents importable under their old names.

    The finder comes first: a folder that an update left empty would count as a package.
    """
    if any(isinstance(finder, OldNames) for finder in sys.meta_path):
        return
    sys.meta_path.insert(0, OldNames())
    for name in _CHANGED_MODULES & sys.modules.keys():
        add_old_names(sys.modules[name])
