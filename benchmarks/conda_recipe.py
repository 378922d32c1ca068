"""The conda recipe, built and installed from a channel of this environment's packages.

    make test-conda

There need be no conda and no network: what is installed beside this script's Python becomes a
channel on disk, each distribution a conda package with its files and requirements, and the Python
itself another (`conda_channel.py`). rattler-build then builds `recipe/recipe.yaml` as it is,
with the channel alone, and runs the recipe's own tests (imports, `pip check`, `unblur --version`,
`unblur list pipelines`) in an environment that it solves from the channel. The package is installed
with rattler's solver into an empty folder, and `unblur run` there must give the same file, bit for
bit, as here. That the packages of conda-forge have these names is not tested.

Requires py-rattler and py-rattler-build, which the extra `conda` installs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from conda_channel import write_channel

ROOT = Path(__file__).resolve().parents[1]
RECIPE = ROOT / "recipe" / "recipe.yaml"
RESULTS = Path(__file__).with_name("results") / "conda.json"

TEST_OUTPUT = (
    "imports test passed",
    "No broken requirements found",
    "unblur 0.1.0",
    "schuler-svmap",
)
"""What the tests of the recipe print: of the imports, `pip check`, and the two commands."""


def main() -> int:
    """Build, test, install and run; return 0 if all of it works."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--save", action="store_true", help=f"write {RESULTS.name}")
    options = parser.parse_args()
    seconds = {}
    with tempfile.TemporaryDirectory() as held:
        folder = Path(held).resolve()
        os.environ["RATTLER_CACHE_DIR"] = str(folder / "cache")
        began = time.monotonic()
        packages = write_channel(folder / "channel", required_names())
        seconds["channel"] = time.monotonic() - began
        print(f"channel: {len(packages)} packages in {seconds['channel']:.0f} s", flush=True)
        asyncio.run(solve(folder / "channel"))
        began = time.monotonic()
        built = build(folder)
        seconds["build and tests of the recipe"] = time.monotonic() - began
        print(f"{built.name} built and tested in {time.monotonic() - began:.0f} s", flush=True)
        began = time.monotonic()
        count = asyncio.run(install(folder / "built", folder / "channel", folder / "prefix"))
        seconds["installation"] = time.monotonic() - began
        print(f"installed {count} packages in {time.monotonic() - began:.0f} s", flush=True)
        began = time.monotonic()
        version = run_installed(folder, folder / "prefix")
        seconds["run"] = time.monotonic() - began
        print(f"{version}: the result is that of this environment, bit for bit")
    if options.save:
        content = {
            "command": "make test-conda",
            "machine": f"{os.cpu_count()} cores, Python {platform.python_version()}",
            "package": built.name,
            "packages in the channel": len(packages),
            "packages installed": count,
            "seconds": {name: round(value, 1) for name, value in seconds.items()},
        }
        RESULTS.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    return 0


def required_names() -> list[str]:
    """Return the names of conda packages that the recipe needs to build, run and be tested."""
    requirements = yaml.safe_load(RECIPE.read_text("utf-8"))["requirements"]
    names = {need.split()[0] for kind in ("host", "run") for need in requirements[kind]}
    return sorted(names - {"python"})


def build(folder: Path) -> Path:
    """Build the recipe with the channel alone, run its tests, and return the package."""
    from rattler_build import RattlerBuildError, Stage0Recipe, ToolConfiguration

    log = Log()
    try:
        (result,) = Stage0Recipe.from_file(RECIPE).run_build(
            tool_config=ToolConfiguration(test_strategy="native"),
            output_dir=folder / "built",
            channels=[(folder / "channel").as_uri()],
            progress_callback=log,
        )
    except RattlerBuildError:
        print("\n".join(log.lines))
        raise
    for line in TEST_OUTPUT:
        assert any(line in said for said in log.lines), f"the tests did not print: {line}"
    (package,) = result.packages
    return Path(package)


class Log:
    """Keeps what rattler-build logs: the output of the build and of the recipe's tests."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def on_log(self, event: Any) -> None:
        """Keep a message."""
        self.lines.append(event.message)

    def __getattr__(self, name: str) -> Callable[[Any], None]:
        return lambda event: None  # downloads and steps


async def solve(channel: Path) -> None:
    """Check that the channel has all that the recipe requires.

    Raises
    ------
    SolverError
        If it has not; the message names the requirement.
    """
    import rattler

    requirements = yaml.safe_load(RECIPE.read_text("utf-8"))["requirements"]
    for kind in ("host", "run"):
        await rattler.solve([rattler.Channel(channel.as_uri())], requirements[kind])


async def install(built: Path, channel: Path, prefix: Path) -> int:
    """Solve `unblur` from both channels, install it into an empty prefix, and count packages."""
    import rattler

    channels = [rattler.Channel(folder.as_uri()) for folder in (built, channel)]
    found = await rattler.solve(channels, ["unblur"])
    await rattler.install(found, prefix)
    return len(found)


def run_installed(folder: Path, prefix: Path) -> str:
    """Deblur a small image with the installed command and with this checkout; return its version.

    Raises
    ------
    AssertionError
        If a file is missing or differs.
    """
    rng = np.random.default_rng(28)
    np.save(folder / "image.npy", rng.random((48, 40), dtype=np.float32))
    np.save(folder / "psf.npy", np.full((3, 3), 1 / 9, np.float32))
    alone = {"PATH": f"{prefix}/bin:/usr/bin:/bin", "HOME": str(folder), "OMP_NUM_THREADS": "1"}
    here = {**os.environ, "OMP_NUM_THREADS": "1"}
    made = []
    for command, environment, name in (
        ([str(prefix / "bin" / "unblur")], alone, "installed"),
        ([sys.executable, "-m", "unblur"], here, "checkout"),
    ):
        target = folder / name / "sharp.npy"
        target.parent.mkdir()
        run = [*command, "run", "wiener", "image.npy", "--psf", "psf.npy", "-o", str(target)]
        subprocess.run(run, cwd=folder, env=environment, check=True)
        made.append({path.name for path in target.parent.iterdir()})
    assert made[0] == made[1], made
    first, second = (np.load(folder / name / "sharp.npy") for name in ("installed", "checkout"))
    np.testing.assert_array_equal(first, second, strict=True)
    assert not np.array_equal(first, np.load(folder / "image.npy"))
    ask = [str(prefix / "bin" / "python"), "-c", "import unblur; print(unblur.__file__)"]
    assert subprocess.check_output(ask, env=alone, text=True).startswith(str(prefix))
    ask = [str(prefix / "bin" / "unblur"), "--version"]
    return subprocess.check_output(ask, env=alone, text=True).strip()


if __name__ == "__main__":
    raise SystemExit(main())
