"""Which pipelines can be chosen: shipped ones, ones from plugins, files used lately."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from napari_unblur.model.draft import missing_stage
from unblur.errors import UnblurError
from unblur.pipeline import Pipeline
from unblur.plugins.manager import Registry

Group = Literal["Pipelines", "Recent files", "Broken plugins"]

RECENT_COUNT = 6


@dataclass(frozen=True)
class Entry:
    """One line of the pipeline menu.

    Attributes
    ----------
    key : str
        What `Pipeline.load` and `unblur run` take: a name, or the path of a file.
    title, summary : str
        For the menu and its tooltip.
    group : str
        Under which heading it stands.
    problem : str
        Why it cannot be chosen, "" where it can.
    needs_psf : bool
        Whether the user must bring a PSF.
    """

    key: str
    title: str
    summary: str
    group: Group
    problem: str = ""
    needs_psf: bool = False


def registered_entries(known: Registry) -> list[Entry]:
    """Return the lines for registered pipelines, those that can run here first."""
    found = [_entry(name, name, "Pipelines", known) for name in sorted(known.pipelines)]
    return sorted(found, key=lambda entry: bool(entry.problem))


def recent_entries(known: Registry, recent: Sequence[str]) -> list[Entry]:
    """Return the lines for files used lately, those that are still there."""
    return [
        _entry(path, Path(path).name, "Recent files", known)
        for path in recent
        if Path(path).is_file()
    ]


def broken_entries(known: Registry) -> list[Entry]:
    """Return the grey lines for plugins that could not be used."""
    return [Entry(item.name, item.name, "", "Broken plugins", item.cause) for item in known.broken]


def with_recent(recent: Sequence[str], path: str) -> list[str]:
    """Return the list of recent files with `path` at its head."""
    return [path, *(p for p in recent if p != path)][:RECENT_COUNT]


def _entry(key: str, title: str, group: Group, known: Registry) -> Entry:
    try:
        pipeline = Pipeline.load(key, known)
    except UnblurError as error:
        return Entry(key, title, "", group, str(error))
    problem = missing_stage(pipeline, known)
    return Entry(key, title, pipeline.summary, group, problem, pipeline.needs_psf)
