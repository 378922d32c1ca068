"""A plugin from outside, installed as its users would install it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from unblur.io import read_image, write_image, write_kernel
from unblur.model.image import Image
from unblur.testing import synthetic_scene

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Return a folder into which pip has installed the example plugin."""
    target = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    command += ["--no-build-isolation", "--disable-pip-version-check", "--target", str(target)]
    done = subprocess.run([*command, str(HERE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


def run_python(site: Path, *arguments: object):
    """Run Python with the plugin installed; return what it printed."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), *_paths()])}
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    return done


def _paths() -> list[str]:
    return [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]


CODE = """
import json, sys
from typer.testing import CliRunner
from unblur.cli import app
from unblur.testing import check_stage
from unblur_example import Landweber

outcomes = [CliRunner().invoke(app, given) for given in json.loads(sys.argv[1])]
assert not any(outcome.exit_code for outcome in outcomes), outcomes
print(json.dumps([[outcome.stdout for outcome in outcomes], check_stage(Landweber)]))
"""


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Return a synthetic scene, and a folder with its blurred image and its kernel."""
    folder = tmp_path_factory.mktemp("images")
    given = synthetic_scene((48, 56), noise=0.002)
    values = (given.blurred.numpy()[0] * 65535).round().clip(0, 65535).astype(np.uint16)
    write_image(Image(values, "YX"), folder / "blurred.tif")
    write_kernel(given.kernel, folder / "psf.tif")
    return given, folder


@pytest.fixture(scope="module")
def printed(site, images):
    """Return what one process with the plugin prints: `list`, `run`, and the laws that hold."""
    _, folder = images
    commands = [
        ["list", "--json"],
        ["run", "landweber", folder / "blurred.tif", "-o", folder / "sharp.tif", "--psf",
         folder / "psf.tif", "--set", "deconvolve.steps=60", "--device", "cpu"],
    ]  # fmt: skip
    given = json.dumps([[str(argument) for argument in command] for command in commands])
    return json.loads(run_python(site, "-c", CODE, given).stdout)


def test_its_stage_and_pipeline_are_listed(printed):
    found = json.loads(printed[0][0])
    stage = next(row for row in found["stages"] if row["name"] == "landweber")
    assert (stage["kind"], stage["plugin"]) == ("deconvolve", "example")
    assert "landweber" in [row["name"] for row in found["pipelines"]]
    plugin = next(row for row in found["plugins"] if row["name"] == "example")
    assert plugin == {"name": "example", "from": "unblur-example 1.0.0",
                      "brings": "1 stage, 1 pipeline"}  # fmt: skip


def test_its_pipeline_deblurs_an_image(printed, images):
    given, folder = images
    sharp = read_image(folder / "sharp.tif")
    assert sharp.dtype == np.uint16
    truth = given.sharp.numpy()[0]
    values = read_image(folder / "blurred.tif").data
    before = np.square(values / 65535 - truth)[5:-5, 5:-5].mean()
    after = np.square(sharp.data / 65535 - truth)[5:-5, 5:-5].mean()
    assert after < 0.7 * before


def test_it_obeys_the_laws(printed):
    assert {"tile-equals-whole", "mask-is-respected", "nears-the-truth"} <= set(printed[1])


def test_a_broken_neighbour_is_named_and_left_out(site, tmp_path):
    package = tmp_path / "broken-0.1.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 0.1\n")
    (package / "entry_points.txt").write_text("[unblur]\nbroken = no_such_module\n")
    environment = os.pathsep.join([str(tmp_path), str(site)])
    done = run_python(Path(environment), "-m", "unblur", "list", "--json")
    found = json.loads(done.stdout)
    row = next(row for row in found["plugins"] if row["name"] == "broken")
    assert "No module named 'no_such_module'" in row["brings"]
    assert "landweber" in [row["name"] for row in found["stages"]]
    assert "plugin 'broken'" in done.stderr
