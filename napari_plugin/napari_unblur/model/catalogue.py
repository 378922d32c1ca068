"""Entries of the pipeline menu: shipped pipelines, those of plugins, recent files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from napari_unblur.model.draft import missing_stage
from unblur.errors import UnblurError
from unblur.pipeline import RECOMMENDED, Pipeline
from unblur.plugins.manager import Registry

Group = Literal["Pipelines", "Recent files", "Broken plugins"]

MAX_RECENT = 6
"""Largest number of recent files, dimensionless."""


@dataclass(frozen=True)
class PipelineEntry:
    """One entry of the pipeline menu.

    Attributes
    ----------
    key : str
        Name or path, as for `Pipeline.load` and `unblur run`.
    title, summary : str
        Text of the entry and of its tooltip.
    group : str
        Heading above the entry.
    problem : str
        Reason why it cannot be chosen, "" if it can.
    needs_psf : bool
        Whether the user must provide a PSF.
    """

    key: str
    title: str
    summary: str
    group: Group
    problem: str = ""
    needs_psf: bool = False


def registered_entries(registry: Registry) -> list[PipelineEntry]:
    """Return the entries of registered pipelines, those that can run here first.

    The first of these is the recommended one.
    """
    found = [_entry(name, name, "Pipelines", registry) for name in sorted(registry.pipelines)]
    return sorted(found, key=lambda entry: (bool(entry.problem), entry.key != RECOMMENDED))


def recent_entries(registry: Registry, recent: Sequence[str]) -> list[PipelineEntry]:
    """Return the entries of recent files that still exist."""
    return [
        _entry(path, Path(path).name, "Recent files", registry)
        for path in recent
        if Path(path).is_file()
    ]


def broken_entries(registry: Registry) -> list[PipelineEntry]:
    """Return the disabled entries of plugins that could not be loaded."""
    return [
        PipelineEntry(item.name, item.name, "", "Broken plugins", item.cause)
        for item in registry.broken
    ]


def with_recent(recent: Sequence[str], path: str) -> list[str]:
    """Return the list of recent files with `path` first."""
    return [path, *(p for p in recent if p != path)][:MAX_RECENT]


def _entry(key: str, title: str, group: Group, registry: Registry) -> PipelineEntry:
    try:
        pipeline = Pipeline.load(key, registry)
    except UnblurError as error:
        return PipelineEntry(key, title, "", group, str(error))
    problem = missing_stage(pipeline, registry)
    return PipelineEntry(key, title, pipeline.summary, group, problem, pipeline.needs_psf)
