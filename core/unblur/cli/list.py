"""`unblur list`: installed stages, pipelines, models, formats and plugins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from unblur.cli.console import print_json, print_result, print_status, print_table
from unblur.cli.options import Json
from unblur.errors import UsageError, unknown_name

if TYPE_CHECKING:
    from unblur.plugins.manager import Registry

SUBJECTS = ("stages", "pipelines", "models", "formats", "plugins")
"""What can be listed."""

EXAMPLE = "unblur list stages"


def list_(
    what: Annotated[
        str | None,
        typer.Argument(metavar="[stages|pipelines|models|formats|plugins]", help="Default: all."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show the installed stages, pipelines, trainable models, file formats and plugins."""
    if what is not None and what not in SUBJECTS:
        raise UsageError(unknown_name("list of", what, SUBJECTS))
    from unblur.plugins.manager import registry

    known = registry()
    wanted = SUBJECTS if what is None else (what,)
    found = {subject: _ROWS[subject](known) for subject in wanted}
    if as_json:
        print_json(found)
    else:
        for subject, rows in found.items():
            _show(subject, rows, titled=what is None)
    for broken in known.broken:
        print_status(f"{broken} It is left out.")


def _stages(known: Registry) -> list[dict[str, Any]]:
    return [
        {
            "name": cls.name,
            "kind": kind,
            "plugin": known.origins.get(cls, "unblur"),
            "summary": cls.summary,
        }
        for (kind, _), cls in sorted(known.stages.items())
    ]


def _pipelines(known: Registry) -> list[dict[str, Any]]:
    from unblur.errors import UnblurError
    from unblur.pipeline import Pipeline

    rows = []
    for name, path in sorted(known.pipelines.items()):
        try:
            pipeline = Pipeline.load(path, known)
        except UnblurError as error:
            rows.append({"name": name, "psf": "?", "summary": f"broken: {error}"})
            continue
        needs = "needed" if pipeline.needs_psf else "no"
        rows.append({"name": name, "psf": needs, "summary": pipeline.summary})
    return rows


def _models(known: Registry) -> list[dict[str, Any]]:
    return [
        {"name": name, "plugin": known.origins.get(cls, "unblur"), "summary": cls.summary}
        for name, cls in sorted(known.trainers.items())
    ]


def _formats(known: Registry) -> list[dict[str, Any]]:
    from unblur.io import READERS, WRITERS

    readers = {cls.name: cls for cls in (*READERS, *known.readers.values())}
    writers = {cls.name: cls for cls in (*WRITERS, *known.writers.values())}
    return [
        {
            "name": name,
            "reads": " ".join(readers[name].suffixes) if name in readers else "",
            "writes": " ".join(writers[name].suffixes) if name in writers else "",
        }
        for name in sorted({*readers, *writers})
    ]


def _plugins(known: Registry) -> list[dict[str, Any]]:
    from importlib import metadata

    causes = {broken.name: broken.cause for broken in known.broken}
    homes = {
        entry.name: entry.dist.name + " " + entry.dist.version
        for entry in metadata.entry_points(group="unblur")
        if entry.dist is not None
    }
    kinds: dict[str, Mapping[Any, Any]] = {
        "stage": known.stages,
        "pipeline": known.pipelines,
        "trainer": known.trainers,
        "reader": known.readers,
        "writer": known.writers,
    }
    rows = []
    for name in sorted({*homes, *known.origins.values(), *causes}):
        counts = {
            what: sum(known.origins.get(item) == name for item in items.values())
            for what, items in kinds.items()
        }
        brings = ", ".join(f"{n} {what}{'s' * (n > 1)}" for what, n in counts.items() if n)
        state = f"broken: {causes[name]}" if name in causes else brings or "nothing"
        rows.append({"name": name, "from": homes.get(name, "unblur"), "brings": state})
    return rows


_ROWS: dict[str, Callable[[Registry], list[dict[str, Any]]]] = {
    "stages": _stages,
    "pipelines": _pipelines,
    "models": _models,
    "formats": _formats,
    "plugins": _plugins,
}


def _show(subject: str, rows: list[dict[str, Any]], titled: bool) -> None:
    if rows:
        cells = [[str(value) for value in row.values()] for row in rows]
        print_table(list(rows[0]), cells, subject if titled else "")
    else:
        print_result(f"no {subject}")
    if titled:
        print_result("")
