"""Stages and trainers that are imported when they are first used."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Callable, ItemsView, ValuesView
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from unblur.model.stages import Kind

K = TypeVar("K")


@dataclass(frozen=True)
class StageReference:
    """A stage class that is imported when it is first used.

    A plugin may return it from `unblur_stages` in place of the class, so that a run imports the
    stages of its pipeline alone.

    Parameters
    ----------
    kind, name : str
        Those of the class.
    target : str
        Where the class is: "package.module:Class".

    Example
    -------
    >>> reference = StageReference("postprocess", "clip", "unblur_classic.postprocess.clip:Clip")
    >>> reference.load().name
    'clip'
    """

    kind: Kind
    name: str
    target: str

    def load(self) -> Any:
        """Import the module and return the class."""
        return _import_target(self.target)


@dataclass(frozen=True)
class TrainerReference:
    """A trainer class that is imported when it is first used; see `StageReference`."""

    name: str
    target: str

    def load(self) -> Any:
        """Import the module and return the class."""
        return _import_target(self.target)


def _import_target(target: str) -> Any:
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)


class ClassTable(UserDict[K, Any]):
    """Classes by key; a reference in the place of a class is loaded when it is looked up.

    Parameters
    ----------
    load : callable
        Receives a key and a reference and returns the class. If it raises, the key is removed:
        look-ups raise `KeyError`, iterations leave it out.
    """

    def __init__(self, load: Callable[[K, Any], Any]) -> None:
        super().__init__()
        self._load = load

    def __getitem__(self, key: K) -> Any:
        value = self.data[key]
        if isinstance(value, StageReference | TrainerReference):
            try:
                value = self._load(key, value)
            except Exception:
                del self.data[key]
                raise KeyError(key) from None
            self.data[key] = value
        return value

    def _loaded(self) -> dict[K, Any]:
        found = {}
        for key in list(self.data):
            try:
                found[key] = self[key]
            except KeyError:
                continue
        return found

    def values(self) -> ValuesView[Any]:
        """Return all classes, loaded."""
        return self._loaded().values()

    def items(self) -> ItemsView[K, Any]:
        """Return all keys and classes, loaded."""
        return self._loaded().items()
