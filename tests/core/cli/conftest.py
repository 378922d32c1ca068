"""The command as a user meets it, in this process, and small files to feed it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from unblur.cli import app
from unblur.io import write_image, write_kernel
from unblur.model.context import Context
from unblur.model.image import Image
from unblur.model.stages import Deconvolver
from unblur.plugins.manager import registry


@dataclass(frozen=True)
class Said:
    """How a call of the command ended."""

    status: int
    out: str
    err: str


@pytest.fixture
def unblur(monkeypatch) -> Callable[..., Said]:
    """Return a function that runs the command in this process."""
    monkeypatch.setenv("COLUMNS", "200")

    def call(*arguments: Any, status: int | None = 0) -> Said:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        said = Said(result.exit_code, result.stdout, result.stderr)
        unexpected = result.exception
        if unexpected is not None and not isinstance(unexpected, SystemExit):
            raise unexpected
        assert status is None or said.status == status, said
        return said

    return call


class Halve(Deconvolver):
    """Half the image, row by row, so that there is something to stop."""

    name = "halve"
    summary = "Half the image."
    dimensions = frozenset({2, 3})

    def deconvolve(self, blurred, kernel, context: Context, mask=None):
        result = blurred.clone()
        for row in context.track(range(blurred.shape[-2]), "rows"):
            result[..., row, :] /= 2
        return result

    def halo(self, kernel):
        return (0,) * kernel.ndim


@pytest.fixture
def halve(monkeypatch, tmp_path) -> Path:
    """Register the stage `halve` and return a pipeline of it that needs no kernel from the user."""
    monkeypatch.setitem(registry().stages, ("deconvolve", "halve"), Halve)
    path = tmp_path / "halve.yaml"
    path.write_text("summary: Halve it.\nsteps:\n  - deconvolve: halve\n")
    return path


@pytest.fixture
def files(tmp_path) -> Path:
    """Return a folder with a blurred image in several formats, its kernel, and a pipeline."""
    from unblur.testing import synthetic_scene

    given = synthetic_scene((40, 52), noise=0.002)
    plane = given.blurred.numpy()[0].clip(0, 1)
    write_image(Image((plane * 65535).astype(np.uint16), "YX"), tmp_path / "grey.tif")
    write_image(Image((plane * 255).astype(np.uint8), "YX"), tmp_path / "grey.png")
    colour = (np.stack([plane, plane**2, 1 - plane]) * 255).astype(np.uint8)
    rgb = ("red", "green", "blue")
    write_image(Image(colour, "CYX", channels=rgb), tmp_path / "colour.png")
    write_kernel(given.kernel, tmp_path / "psf.tif")
    (tmp_path / "wiener.yaml").write_text("summary: Plain.\nsteps:\n  - deconvolve: wiener\n")
    return tmp_path
