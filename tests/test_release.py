"""What users install: the wheel and the source distribution, built and tried out."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
import yaml

import unblur

ROOT = Path(__file__).resolve().parents[1]
WINDOWS = re.compile("napari|qt|pyside|matplotlib", re.IGNORECASE)


@pytest.fixture(scope="module")
def dist(tmp_path_factory) -> Path:
    """Return a folder with both distributions, built from the working tree."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(folder)],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def installed(dist, tmp_path_factory) -> Path:
    """Return a folder into which the wheel alone was installed."""
    folder = tmp_path_factory.mktemp("site")
    wheel = next(dist.glob("*.whl"))
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "-t", str(folder), str(wheel)],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder


def test_the_wheel_works_without_the_checkout(installed, tmp_path):
    code = (
        "import sys, unblur; from unblur.cli import main; "
        "sys.stderr.write(unblur.__file__ + '\\n'); main(['list', 'pipelines'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.stderr.splitlines()[0] == str(installed / "unblur" / "__init__.py")
    shipped = {path.stem for path in (ROOT / "pipelines").glob("*.yaml")}
    assert {name for name in shipped if name in done.stdout} == shipped


def test_weights_and_licence_travel_with_the_wheel(dist):
    with zipfile.ZipFile(next(dist.glob("*.whl"))) as wheel:
        names = wheel.namelist()
    for weights in (ROOT / "plugins").glob("*/trained/*.safetensors"):
        assert str(weights.relative_to(ROOT / "plugins")) in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not [name for name in names if name.startswith(("tests", "docs", "benchmarks"))]


def test_a_plain_install_pulls_no_window(dist):
    with zipfile.ZipFile(next(dist.glob("*.whl"))) as wheel:
        name = next(n for n in wheel.namelist() if n.endswith("METADATA"))
        about = Parser().parsestr(wheel.read(name).decode())
    plain = [need for need in about.get_all("Requires-Dist") if "extra ==" not in need]
    assert len(plain) > 5
    assert not [need for need in plain if WINDOWS.search(need)]


def test_the_source_can_be_built_again(dist):
    with tarfile.open(next(dist.glob("*.tar.gz"))) as source:
        names = {name.split("/", 1)[-1] for name in source.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE", "core/unblur/__init__.py"} <= names


def test_the_citation_names_this_version_and_the_five_papers():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == unblur.__version__
    named = " ".join(reference["notes"] for reference in citation["references"])
    for stage in ("schuler", "selfdeblur", "kotera", "discriminative", "svmap"):
        assert stage in named
    assert f"## {unblur.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_wheel_is_small(dist):
    assert next(dist.glob("*.whl")).stat().st_size < 40e6


def test_the_conda_recipe_agrees_with_the_project():
    recipe = yaml.safe_load((ROOT / "recipe/recipe.yaml").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = {"torch": "pytorch", "dask[array]": "dask-core"}
    wanted = [re.fullmatch(r"([\w\-\[\]]+)(.*)", need).groups() for need in project["dependencies"]]
    wanted = {f"{named.get(name, name)} {bound}" for name, bound in wanted}
    python = f"python {project['requires-python']}"
    assert set(recipe["requirements"]["run"]) == wanted | {python}
    assert python in recipe["requirements"]["host"]
    assert recipe["context"]["version"] == unblur.__version__
    assert recipe["about"]["summary"] == project["description"]
    (entry,) = recipe["build"]["python"]["entry_points"]
    assert entry == f"unblur = {project['scripts']['unblur']}"
    extras = {n for needs in project["optional-dependencies"].values() for n in needs}
    for constraint in recipe["requirements"]["run_constraints"]:
        assert constraint.replace(" ", "") in extras


def test_the_figures_of_the_paper_are_stored_ones():
    paper = (ROOT / "paper.md").read_text(encoding="utf-8")
    results = ROOT / "benchmarks/results"
    for name in ("race-richardson-lucy", "race-richardson-lucy-3d"):
        for row in json.loads((results / f"{name}.json").read_text(encoding="utf-8"))["rows"]:
            (line,) = re.findall(rf"\| {re.escape(row['tool'])} {row['version']} \|.*", paper)
            stated = f"| {row['psnr']:.2f}, {row['psnr inside']:.2f} | {row['seconds']:.2f} |"
            assert stated in line
    for name in ("levin-known", "levin-blind"):
        content = json.loads((results / f"{name}.json").read_text(encoding="utf-8"))
        for pipeline in content["pipelines"]:
            if pipeline["name"] != "(blurred)":
                assert f"{pipeline['mean']['psnr']:.2f} dB" in paper
    rows = json.loads((results / "lai.json").read_text(encoding="utf-8"))["rows"]
    for row in rows:
        if row["cases of"] in ("all", "report"):
            assert f"{row['psnr']:.2f} dB" in paper
    for part in ("Statement of need", "State of the field", "Limits", "How it was written"):
        assert f"\n# {part}\n" in paper
