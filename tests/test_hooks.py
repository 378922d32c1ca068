"""Every hook stands in docs/plugins.md with its signature and an example, and the example works.

The tests install the code of the page as a user would: as a module with an entry point.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Picture
from typer.testing import CliRunner

import unblur
from markdown_for_tests import code_blocks, sections
from unblur.cli import app
from unblur.errors import ImageError, OutputError
from unblur.io import create_store, partial_path, publish
from unblur.model.stages import KIND_CLASSES
from unblur.plugins import hookspecs, registry
from unblur.testing import SyntheticScene, check_stage, gaussian, synthetic_scene

PAGE = Path(__file__).parents[1] / "docs" / "plugins.md"
SECTIONS = sections(PAGE.read_text("utf-8"), level=3)
HOOKS = [name for name in vars(hookspecs) if name.startswith("unblur_")]


def heading(hook: str) -> str:
    """Return the heading of a hook: its name and signature, as code."""
    signature = str(inspect.signature(getattr(hookspecs, hook))).replace("'", "")
    return f"`{hook}{signature}`"


def example(hook: str, language: str = "python") -> str:
    """Return the one block of code under the heading of a hook."""
    (block,) = code_blocks(SECTIONS[heading(hook)], language)
    return block


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_has_a_heading_with_its_signature_an_example_and_a_test(hook):
    assert heading(hook) in SECTIONS
    assert f"def {hook}(" in example(hook)
    assert callable(globals()[f"test_hook_{hook}"])


def test_the_page_documents_no_other_hook():
    assert sorted(SECTIONS) == sorted(heading(hook) for hook in HOOKS)


@pytest.mark.parametrize("cls", KIND_CLASSES.values())
def test_the_page_lists_the_methods_that_a_kind_must_implement(cls):
    needed = []
    for name in cls.__abstractmethods__:
        parameters = inspect.signature(getattr(cls, name)).parameters.values()
        bare = (str(p.replace(annotation=p.empty)) for p in parameters)
        needed.append(f"`{name}({', '.join(bare)})`")
    (row,) = [
        line for line in PAGE.read_text("utf-8").splitlines() if f"| `{cls.__name__}` |" in line
    ]
    assert sorted(row.split("|")[2].strip().replace(")`, `", ")`\n`").split("\n")) == sorted(needed)


@pytest.fixture
def install(tmp_path, monkeypatch) -> Any:
    """Return a function that installs code as the plugin `documented`, removed after the test."""
    folder = tmp_path / "site"

    def install(*blocks: str, **files: str) -> None:
        package = folder / "documented-1.0.dist-info"
        package.mkdir(parents=True)
        (package / "METADATA").write_text("Metadata-Version: 2.1\nName: documented\nVersion: 1.0\n")
        (package / "entry_points.txt").write_text("[unblur]\ndocumented = documented_plugin\n")
        (folder / "documented_plugin.py").write_text("\n\n".join(blocks))
        for name, text in files.items():
            (folder / f"{name}.yaml").write_text(text)
        monkeypatch.syspath_prepend(folder)
        registry.cache_clear()

    yield install
    sys.modules.pop("documented_plugin", None)
    registry.cache_clear()


@pytest.fixture
def command(monkeypatch, tmp_path) -> Callable[..., str]:
    """Return a function that runs `unblur` in an empty folder and returns what it prints."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(app, arguments)
        assert result.exit_code == 0, result.output
        return result.stdout

    return run


@pytest.fixture
def blurred() -> SyntheticScene:
    """Return a scene of 40 x 52 pixels, blurred by a Gaussian of 7 x 7 with some noise."""
    return synthetic_scene((40, 52), gaussian((7, 7), 1.2), noise=0.002)


def plane(given: SyntheticScene) -> Any:
    """Return the pixels of the blurred scene, (H, W) float32."""
    return given.blurred.numpy()[0].astype(np.float32)


def test_hook_unblur_stages(install, command):
    install(example("unblur_stages"))
    rows = json.loads(command("list", "stages", "--json"))["stages"]
    (row,) = [row for row in rows if row["plugin"] == "documented"]
    assert (row["name"], row["kind"]) == ("gamma", "postprocess")
    check_stage(registry().stage("postprocess", "gamma"))
    values = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    steps = unblur.Pipeline.parse("summary: G.\nsteps:\n  - postprocess: gamma\n", "gamma.yaml")
    result = unblur.deblur(unblur.Image(values, "YX"), steps, device="cpu")
    np.testing.assert_allclose(result.image.data, np.sqrt(values), rtol=1e-6)


def test_hook_unblur_pipelines(install, command, blurred):
    install(example("unblur_pipelines"), page=example("unblur_pipelines", "yaml"))
    rows = json.loads(command("list", "pipelines", "--json"))["pipelines"]
    (row,) = [row for row in rows if row["name"] == "page"]
    assert row["psf"] == "no"
    assert registry().origins[registry().pipeline("page")] == "documented"
    unblur.write_image(unblur.Image(plane(blurred), "YX"), "text.tif")
    command(
        "run", "page", "text.tif", "-o", "sharp.tif", "--device", "cpu", "--set", "kernel.size=7"
    )
    assert unblur.read_image("sharp.tif").shape == (40, 52)


def test_hook_unblur_trainers(install, command):
    install(example("unblur_trainers"))
    photographs = Path("photographs")
    photographs.mkdir()
    picture = synthetic_scene((96, 96)).sharp.numpy()[0]
    Picture.fromarray((255 * picture.clip(0, 1)).astype(np.uint8)).save(photographs / "a.png")
    arguments = ("train", "inverse-filter", "--data", "photographs", "--device", "cpu", "--json")
    scores = {}
    for steps in (1, 60):
        printed = command(*arguments, "-o", f"{steps}.safetensors", "--set", f"steps={steps}")
        scores[steps] = json.loads(printed)["best"]
    assert scores[60] > scores[1] + 3
    assert Path("60.safetensors").is_file()


def test_hook_unblur_readers(install, command, blurred):
    install(example("unblur_readers"))
    values = plane(blurred)
    np.savetxt("scene.txt", values, fmt="%.9g")
    np.savetxt("scene.txt.gz", values, fmt="%.9g")
    for name in ("scene.txt", "scene.txt.gz"):
        image = unblur.read_image(name)
        np.testing.assert_array_equal(image.data, values)
        assert (image.axes, image.source) == ("YX", name)
    rows = json.loads(command("list", "formats", "--json"))["formats"]
    assert {"name": "text", "reads": ".txt .txt.gz", "writes": ""} in rows

    unblur.write_kernel(blurred.kernel, "psf.tif")
    command("run", "wiener", "scene.txt", "-o", "sharp/", "--psf", "psf.tif", "--device", "cpu")
    expected = unblur.deblur(
        unblur.Image(values, "YX"), "wiener", unblur.read_kernel("psf.tif"), device="cpu"
    )
    np.testing.assert_array_equal(unblur.read_image("sharp/scene.tif").data, expected.image.data)

    Path("words.txt").write_text("no numbers here")
    with pytest.raises(ImageError, match=r"words\.txt cannot be read as TEXT"):
        unblur.read_image("words.txt")
    with pytest.raises(ImageError, match="holds a single image"):
        unblur.read_image("scene.txt[1]")


def test_hook_unblur_writers(install, command, blurred):
    install(example("unblur_readers"), example("unblur_writers"))
    image = unblur.Image(plane(blurred), "YX")
    for name in ("scene.txt", "scene.txt.gz"):
        unblur.write_image(image, name)
        np.testing.assert_array_equal(np.loadtxt(name, dtype=np.float32), image.data)
        np.testing.assert_array_equal(unblur.read_image(name).data, image.data)

    unblur.write_kernel(blurred.kernel, "psf.tif")
    options = ("--psf", "psf.tif", "--device", "cpu")
    command("run", "wiener", "scene.txt.gz", "-o", "sharp.txt.gz", *options)
    command("run", "wiener", "scene.txt", "-o", "expected.tif", *options)
    np.testing.assert_array_equal(
        unblur.read_image("sharp.txt.gz").data, unblur.read_image("expected.tif").data
    )
    command("run", "wiener", "scene.txt", "scene.txt.gz", "-o", "several/", *options)
    assert {"scene-txt.txt", "scene-txt-gz.txt.gz"} <= {p.name for p in Path("several").iterdir()}

    with pytest.raises(OutputError, match="a text image has the axes YX"):
        unblur.write_image(unblur.Image(np.zeros((3, 8, 8), np.float32), "CYX"), "colour.txt")


def test_a_format_of_a_plugin_is_written_region_by_region(install, command, blurred):
    install(example("unblur_readers"), example("unblur_writers"))
    values = plane(blurred)
    final = Path("regions.txt.gz").absolute()
    store = create_store(partial_path(final), unblur.Image(values, "YX"))
    for rows in (slice(0, 16), slice(16, 40)):
        store.write((rows, slice(0, 52)), values[rows])
    store.finish()
    publish(partial_path(final), final)
    np.testing.assert_array_equal(unblur.read_image(final).data, values)
    assert [path.name for path in final.parent.iterdir()] == [final.name]
