"""Old names of attributes, methods and constructor keywords of classes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import wraps
from types import FunctionType, ModuleType
from typing import Any

from unblur.old_names.warning import warn_renamed
from unblur.renamed import ATTRIBUTES


class _OldAttribute:
    """The old name of an attribute, as a descriptor that reads the new one.

    Parameters
    ----------
    home : type
        Class that has the attribute.
    old, new : str
        Its two names.
    """

    def __init__(self, home: type, old: str, new: str) -> None:
        self.home, self.old, self.new = home, old, new

    def __get__(self, instance: Any, owner: type) -> Any:
        warn_renamed(f"{self.home.__name__}.{self.old}", f"{self.home.__name__}.{self.new}")
        overridden = any(self.old in vars(cls) for cls in owner.__mro__ if cls is not self.home)
        if overridden and instance is not None:  # `super().old`, from a subclass's own `old`
            return getattr(super(_child(owner, self.home), instance), self.new)
        return getattr(owner if instance is None else instance, self.new)


def _child(owner: type, home: type) -> type:
    """Return the class that stands just before `home` among the bases of `owner`."""
    bases = owner.__mro__
    return bases[bases.index(home) - 1]


def add_old_attributes(module: ModuleType, owner: str, names: Mapping[str, str]) -> None:
    """Accept old names of a class's attributes, or of a function's keywords.

    The attributes of a class can be read, overridden, and set when an object is made.
    """
    cls: Any = getattr(module, owner)
    if isinstance(cls, FunctionType):
        setattr(module, owner, _with_old_keywords(cls, owner, names))
        return
    for old, new in names.items():
        setattr(cls, old, _OldAttribute(cls, old, new))
    inner = vars(cls).get("__init_subclass__")

    def adopt(subclass: Any, /, **keywords: Any) -> None:
        if inner is None:
            super(cls, subclass).__init_subclass__(**keywords)
        else:
            inner.__get__(None, subclass)(**keywords)
        for old, new in names.items():
            own = vars(subclass)
            if old in own and new not in own:
                setattr(subclass, new, own[old])
                warn_renamed(f"{subclass.__name__}.{old}", f"{subclass.__name__}.{new}")

    cls.__init_subclass__ = classmethod(adopt)
    if hasattr(cls, "__dataclass_fields__"):
        settable = {field.name for field in fields(cls)} & set(names.values())
        keywords = {old: new for old, new in names.items() if new in settable}
        cls.__init__ = _with_old_keywords(cls.__init__, owner, keywords)


def _with_old_keywords(
    function: Callable[..., Any], owner: str, names: Mapping[str, str]
) -> Callable[..., Any]:
    rename = _renamed_keywords

    def accept(*values: Any, **keywords: Any) -> Any:
        return function(*values, **rename(owner, keywords, names))

    # A function belongs to the module whose globals it has: doctest looks for examples by that.
    code, closure = accept.__code__, accept.__closure__
    return wraps(function)(
        FunctionType(code, function.__globals__, function.__name__, None, closure)
    )


def current_keywords(cls: type, keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Return keywords that set fields of `cls` under the present names of those fields.

    Raises
    ------
    TypeError
        If a field is given under both names.
    """
    names = attributes_of(cls.__module__).get(cls.__name__, {})
    return _renamed_keywords(cls.__name__, keywords, names)


def _renamed_keywords(
    owner: str, keywords: Mapping[str, Any], names: Mapping[str, str]
) -> dict[str, Any]:
    current = {}
    for old, value in keywords.items():
        new = names.get(old, old)
        if new != old:
            if new in keywords:
                raise TypeError(f"'{old}' is the old name of '{new}'; give '{new}' alone")
            warn_renamed(f"{owner}.{old}", f"{owner}.{new}", stacklevel=4)
        current[new] = value
    return current


def attributes_of(module: str) -> dict[str, dict[str, str]]:
    """Return the rows of `ATTRIBUTES` for a module: old and new names by class."""
    found: dict[str, dict[str, str]] = {}
    for key, new in ATTRIBUTES.items():
        home, _, attribute = key.partition(":")
        if home == module:
            cls, _, old = attribute.partition(".")
            found.setdefault(cls, {})[old] = new
    return found
