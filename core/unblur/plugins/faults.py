"""Which plugin is at fault for an error, or for what a stage, reader or writer returned."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib import metadata
from types import TracebackType

from unblur.errors import PluginError, describe_exception
from unblur.plugins.manager import registry
from unblur.plugins.markers import PROJECT


def fault_of(cls: type) -> str:
    """Return the words that say whose fault it is if a class of a plugin does what it must not.

    Example
    -------
    >>> from unblur.plugins.manager import registry
    >>> fault_of(registry().stage("deconvolve", "wiener"))
    'this is a fault of unblur; please report it'
    """
    package = _package(cls.__module__)
    if package in _shipped_packages():
        return f"this is a fault of {PROJECT}; please report it"
    return f"this is a fault of the {_named(package)}; please report it to its authors"


def fault_in(error: BaseException) -> tuple[str, str] | None:
    """Return the plugin, in words, and the function in which an error was raised.

    Of the calls that led to the error it is the last within a plugin; `None` if there is none but
    those of unblur's own.
    """
    packages = {_package(cls.__module__) for cls in registry().origins if isinstance(cls, type)}
    packages |= {_package(entry.module) for entry in metadata.entry_points(group=PROJECT)}
    packages -= _shipped_packages()
    found = None
    for name, function in _calls(error.__traceback__):
        if _package(name) in packages:
            found = (f"the {_named(_package(name))}", function)
    return found


def describe_fault(error: BaseException) -> str:
    """Return the message of an error, with the plugin in which it was raised, if it was one."""
    found = fault_in(error)
    described = describe_exception(error)
    return described if found is None else f"{described} (in {found[0]}, {found[1]})"


@contextmanager
def exits_as_errors() -> Iterator[None]:
    """Raise `PluginError` where code of a plugin ends the program, as `sys.exit` does.

    Example
    -------
    >>> with exits_as_errors():
    ...     pass
    """
    try:
        yield
    except SystemExit as error:
        fault = ended_program(error)
        if fault is None:
            raise
        raise fault from error


def ended_program(error: SystemExit) -> PluginError | None:
    """Return the error that stands for a `SystemExit`, which would end the program silently.

    None if it arose in no plugin: libraries raise it where a pipe is closed.
    """
    found = fault_in(error)
    if found is None:
        return None
    plugin, function = found
    return PluginError(
        f"{plugin} ended the program ({describe_exception(error)}) in {function} in place of "
        "raising an exception; this is a fault of the plugin; please report it to its authors."
    )


def _named(package: str) -> str:
    """Return a plugin by the name that it was registered with, and its package if that differs."""
    names = {
        name
        for cls, name in registry().origins.items()
        if isinstance(cls, type) and _package(cls.__module__) == package
    }
    name = min(names, default=package)
    return f"plugin '{name}'" + ("" if name == package else f" (package {package})")


def _package(module: str) -> str:
    return module.split(".")[0]


@cache
def _shipped_packages() -> frozenset[str]:
    """Return the packages that are installed with unblur."""
    entries = metadata.entry_points(group=PROJECT)
    own = {_package(e.module) for e in entries if e.dist is not None and e.dist.name == PROJECT}
    return frozenset({PROJECT, "napari_unblur", *own})


def _calls(traceback: TracebackType | None) -> Iterator[tuple[str, str]]:
    """Yield module and function of each call that led to an error, the outermost first."""
    while traceback is not None:
        frame = traceback.tb_frame
        yield str(frame.f_globals.get("__name__", "")), frame.f_code.co_qualname
        traceback = traceback.tb_next
