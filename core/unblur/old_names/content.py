"""Old names in what users write, print and keep: params, reports, options, names of laws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from unblur.old_names.warning import note, warn_renamed
from unblur.renamed import LAWS, OPTIONS, PARAMS, PRINTED_KEYS, REPORT_KEYS


def current_params(stage: str, params: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Return the params of a stage under their present names, and a note for each renamed one.

    The params of priors among them are renamed too.

    Raises
    ------
    ValueError
        If a param is given under both names.

    Example
    -------
    >>> current_params("wiener", {"noise": 0.01})
    ({'noise': 0.01}, ())
    """
    current: dict[str, Any] = {}
    notes: list[str] = []
    names = PARAMS.get(stage, {})
    for old, given in params.items():
        new, value = old, given
        if isinstance(given, str) and f"{old}={given}" in names:
            new, _, value = names[f"{old}={given}"].partition("=")
            notes.append(_warned(f"{stage}.{old}={given}", f"{stage}.{new}={value}"))
        elif old in names:
            new = names[old]
            notes.append(_warned(f"{stage}.{old}", f"{stage}.{new}"))
        if new != old and new in params:
            raise ValueError(f"'{old}' is the old name of '{new}'; state '{new}' alone")
        current[new] = _with_current_priors(value, notes)
    return current, tuple(notes)


def _warned(old: str, new: str) -> str:
    warn_renamed(old, new, stacklevel=4)
    return note(old, new)


def _with_current_priors(value: Any, notes: list[str]) -> Any:
    """Return a param's value with the params of the priors in it under their present names."""
    if isinstance(value, list):
        return [_with_current_priors(member, notes) for member in value]
    if isinstance(value, Mapping) and isinstance(value.get("params"), Mapping):
        params, found = current_params(str(value.get("prior")), value["params"])
        notes.extend(found)
        return {**value, "params": params} if found else value
    return value


def current_report(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a JSON report under its present keys, with a warning for each old one.

    Raises
    ------
    ValueError
        If a key is there under both names.
    """
    current = dict(content)
    for old, new in REPORT_KEYS.items():
        value = _moved(current, old.split("."))
        if value is not _ABSENT:
            warn_renamed(old, new)
            _put(current, new.split("."), value, f"'{old}' is the old name of '{new}'")
    return current


_ABSENT = object()


def _moved(content: dict[str, Any], path: Sequence[str]) -> Any:
    """Take the value at a path out of nested mappings, which are copied on the way."""
    *levels, last = path
    for level in levels:
        if not isinstance(content.get(level), Mapping):
            return _ABSENT
        content[level] = dict(content[level])
        content = content[level]
    return content.pop(last, _ABSENT)


def _put(content: dict[str, Any], path: Sequence[str], value: Any, clash: str) -> None:
    *levels, last = path
    for level in levels:
        content[level] = dict(content.get(level) or {})
        content = content[level]
    if last in content:
        raise ValueError(f"{clash}; a report has one of them")
    content[last] = value


def current_options(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of the command with present option names, and warn of old ones.

    Raises
    ------
    ValueError
        If an option is given under both names.
    """
    end = arguments.index("--") if "--" in arguments else len(arguments)
    given = {argument.partition("=")[0] for argument in arguments[:end]}
    current = list(arguments)
    for place, argument in enumerate(arguments[:end]):
        old, equals, value = argument.partition("=")
        if old in OPTIONS:
            new = OPTIONS[old]
            if new in given:
                raise ValueError(f"{old} is the old name of {new}; give {new} alone")
            warn_renamed(old, new)
            current[place] = f"{new}{equals}{value}"
    return current


def with_old_keys(verb: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a verb prints with `--json`, each renamed key of it under its old name too.

    Example
    -------
    >>> with_old_keys("run", {"report": "sharp.json"})
    {'report': 'sharp.json', 'account': 'sharp.json'}
    """
    names = PRINTED_KEYS.get(verb, {})
    return {**entry, **{old: entry[new] for old, new in names.items() if new in entry}}


def current_laws(reasons: Mapping[str, str]) -> dict[str, str]:
    """Return the reasons of exemptions under the present names of laws, and warn of old names.

    Raises
    ------
    ValueError
        If a law is given under both names.
    """
    current = {}
    for name, reason in reasons.items():
        new = LAWS.get(name, name)
        if new != name:
            if new in reasons:
                raise ValueError(f"'{name}' is the old name of '{new}'; give '{new}' alone")
            warn_renamed(name, new)
        current[new] = reason
    return current
