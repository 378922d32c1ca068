"""The `unblur run` command that is equivalent to a run of the widget."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_unblur.model.draft import Draft
from unblur.errors import UsageError


def run_command(
    draft: Draft,
    *,
    image: str | None,
    output: str | None = None,
    psf: str | None = None,
    device: str = "auto",
    seed: int = 0,
) -> str:
    """Return the command line for `draft`.

    Parameters
    ----------
    draft : Draft
        The pipeline. Params that were edited appear as `--set STEP.PARAM=VALUE`.
    image : str, optional
        File of the image, by default a placeholder, INPUT.tif.
    output : str, optional
        File of the result; by default beside the image.
    psf : str, optional
        File of the PSF.
    device, seed
        As for `unblur.deblur`.

    Raises
    ------
    UsageError
        If steps were added, removed or replaced; such a pipeline must be saved first.
    """
    if not draft.same_stages:
        raise UsageError(
            "the steps differ from those of the loaded pipeline; save the pipeline as a file "
            "first, then copy the command."
        )
    given = image or "INPUT.tif"
    parts = ["unblur", "run", draft.source, given, "-o", output or _output_beside(given)]
    if psf:
        parts += ["--psf", psf]
    for key, value in _settings(draft).items():
        parts += ["--set", f"{key}={_format_value(value)}"]
    if device != "auto":
        parts += ["--device", device]
    if seed:
        parts += ["--seed", str(seed)]
    return shlex.join(parts)


def _settings(draft: Draft) -> dict[str, Any]:
    before = Draft.of(draft.origin, draft.source).steps
    kinds = [step.kind for step in before]
    settings: dict[str, Any] = {}
    for old, new in zip(before, draft.steps, strict=True):
        owner = new.kind if kinds.count(new.kind) == 1 else new.name
        names = {**old.params, **new.params}
        for name in names:
            if name in new.params and old.params.get(name) != new.params[name]:
                settings[f"{owner}.{name}"] = new.params[name]
    return settings


def _format_value(value: Any) -> str:
    if isinstance(value, str):
        return value
    plain = dict(value) if isinstance(value, Mapping) else value
    return json.dumps(plain)


def _output_beside(image: str) -> str:
    path = Path(image)
    suffix = (
        "".join(path.suffixes[-2:])
        if path.name.lower().endswith((".ome.tif", ".ome.zarr"))
        else path.suffix
    )
    stem = path.name[: len(path.name) - len(suffix)]
    return str(path.with_name(f"{stem}-deblurred{suffix or '.tif'}"))
