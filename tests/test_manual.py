"""What the README and the manual show works as shown: every command and every piece of code."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image as Picture
from typer.testing import CliRunner

import unblur
from markdown_for_tests import code_blocks
from unblur.cli import app
from unblur.io import read_image, write_image, write_kernel
from unblur.model.context import Context
from unblur.model.image import Image
from unblur.pipeline import Pipeline
from unblur.plugins.manager import collect, plugin_manager, register
from unblur.testing import gaussian, stars, synthetic_scene

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "napari_plugin/napari_unblur/sample_data"
SHOWN_STEPS = {
    ("map", "hyper-laplacian"),
    ("points", "richardson-lucy"),
    ("optics", "richardson-lucy"),
}
"""The first two steps of the pipeline files that the pages show."""
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return code_blocks(page.read_text("utf-8"), language)


def commands(page: Path) -> list[list[str]]:
    """Return the arguments of each line that calls `unblur`; where it writes to is left out."""
    lines = "".join(blocks(page, "sh")).replace("\\\n", " ").splitlines()
    calls = [shlex.split(line, comments=True) for line in lines]
    calls = [call[: call.index(">")] if ">" in call else call for call in calls]
    return [call[1:] for call in calls if call[:1] == ["unblur"]]


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """Return a folder with small files of the names that the manual uses."""
    folder = tmp_path_factory.mktemp("files")
    photograph = Picture.open(SAMPLES / "photograph.png").convert("L")
    photograph.resize((232, 184)).save(folder / "photo.jpg", quality=95)
    photograph.crop((60, 60, 150, 150)).save(folder / "shaken.jpg", quality=95)
    beads = read_image(SAMPLES / "beads.tif")
    part = Image(beads.data[:, 50:135, 5:100], beads.axes)  # three beads
    write_image(part, folder / "beads.tif")
    psf = gaussian((7, 7), 1.5)
    write_kernel(psf, folder / "psf.tif")
    seen = (synthetic_scene((64, 64), psf).blurred.numpy()[0].clip(0, 1) * 60_000).astype(np.uint16)
    for name, planes in (("stack.tif", 8), ("cells.tif", 32)):
        write_image(Image(np.stack([seen] * planes), "ZYX"), folder / name)
    write_image(Image(np.tile(seen, (2, 2)), "YX"), folder / "mosaic.ome.zarr")
    field = stars((160, 160)).blurred.numpy()[0].astype(np.float32)
    write_image(Image(field, "YX"), folder / "field.fits")
    for name in ("frames/a.tif", "frames/b.tif", "night/a.tif"):
        (folder / name).parent.mkdir(exist_ok=True)
        write_image(Image(seen, "YX"), folder / name)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("page", [p for p in PAGES if commands(p)], ids=lambda page: page.stem)
def test_its_commands_run_one_after_the_other(page, files, tmp_path, monkeypatch):
    place = tmp_path / "here"
    shutil.copytree(files, place)
    monkeypatch.chdir(place)
    for arguments in commands(page):
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 0, (arguments, done.output)


def test_no_shell_block_is_of_a_kind_that_is_not_run():
    known = ("unblur ", "pip install ", "make demo", "make test")
    for page in PAGES:
        for line in "".join(blocks(page, "sh")).splitlines():
            assert not line or line.startswith(known), (page, line)


@pytest.fixture
def run_source(tmp_path, monkeypatch):
    """What runs a piece of Python as a module in a file, as `pydantic` reads it for docstrings."""

    def run(source: str, names: Mapping[str, Any] = MappingProxyType({})) -> ModuleType:
        name = f"shown_{len(list(tmp_path.iterdir()))}"
        file = tmp_path / f"{name}.py"
        file.write_text(source, "utf-8")
        module = ModuleType(name)
        module.__file__ = str(file)
        vars(module).update(names)
        monkeypatch.setitem(sys.modules, name, module)
        exec(compile(source, file, "exec"), vars(module))
        return module

    return run


def landweber() -> str:
    return next(b for b in blocks(ROOT / "README.md", "python") if "class Landweber" in b)


def test_the_plugin_of_the_readme_registers_and_sharpens(run_source):
    manager = plugin_manager(load_installed=False)
    register(manager, run_source(landweber()), "readme")
    stage = collect(manager).stage("deconvolve", "landweber")(steps=50)
    given = synthetic_scene()
    found = stage.deconvolve(given.blurred, given.kernel, Context())
    assert float((found - given.sharp).norm()) < 0.9 * float((given.blurred - given.sharp).norm())


def test_every_piece_of_python_runs(run_source, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("beads.tif", "cells.ome.tif"):
        stack = unblur.Image(np.zeros((3, 8, 9), np.uint16), "ZYX", pixel_size={"Y": 0.1, "X": 0.1})
        unblur.write_image(stack, tmp_path / name)
    given = synthetic_scene()
    for page in PAGES:
        for source in blocks(page, "python"):
            names = {"blurred": given.blurred[0].numpy(), "kernel": given.kernel.weights}
            if "Landweber" in source:
                names |= {"Landweber": run_source(landweber()).Landweber}
            found = vars(run_source(source, names))
            if "result" in found:
                assert isinstance(found["result"].kernel, unblur.KernelField)


@pytest.mark.parametrize("page", [*PAGES, ROOT / "pipelines/README.md"], ids=lambda page: page.stem)
def test_pipeline_files_build(page):
    for text in blocks(page, "yaml"):
        if "steps:" not in text:
            continue
        stages = Pipeline.parse(text, page.name).build()
        assert tuple(stage.name for stage in stages[:2]) in SHOWN_STEPS
