"""Collect what `gpu_run.py` needs on a machine without a network into one folder.

    python benchmarks/gpu/gpu_pack.py ../shared/data build/gpu --megabytes 18

The folder gets photographs under free licences for training, Levin's pairs for the tables (research
data: it is ignored by git, and must not be published), wheels of the packages that a machine with
torch and scipy may lack, and the entry points of unblur, which there is run from its checkout.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path
from shutil import copy2, copytree, rmtree

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = (
    *("annotated-types", "click", "cloudpickle", "dask", "donfig", "fsspec", "google-crc32c"),
    *("locket", "markdown-it-py", "mdurl", "numcodecs", "partd", "pluggy", "pydantic"),
    *("pydantic_core", "Pygments", "PyYAML", "rich", "shellingham", "toolz", "typer"),
    *("typing-inspection", "zarr"),
)
"""Names of the packages whose wheels are collected, in the versions of `constraints.txt`."""
PLATFORMS = (28, 27, 24, 17)
"""Versions of glibc of the wheels that are taken, 2.N."""


def main() -> None:
    """Fill the folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with photos, night and levin09")
    parser.add_argument("folder", type=Path, help="is emptied first")
    parser.add_argument("--megabytes", type=float, default=18, help="of photographs")
    parser.add_argument("--python", default="3.12", help="version of Python on the machine")
    options = parser.parse_args()
    if options.folder.exists():
        rmtree(options.folder)
    options.folder.mkdir(parents=True)
    night = 0.2 * options.megabytes
    copy_images(options.data / "photos", options.folder / "photos", options.megabytes - night)
    copy_images(options.data / "night", options.folder / "night", night)
    for name in ("blurred_16bit", "sharp_16bit", "kernels_f32"):
        copytree(options.data / "levin09" / name, options.folder / "levin09" / name)
    download_wheels(options.folder / "wheels", options.python)
    write_entry_points(options.folder / "site")
    size = sum(f.stat().st_size for f in options.folder.rglob("*") if f.is_file())
    print(f"{options.folder}: {size / 2**20:.1f} MiB")


def copy_images(source: Path, target: Path, megabytes: float) -> None:
    """Copy evenly spaced images of a folder, of at most a size in all."""
    files = sorted(f for f in source.iterdir() if f.suffix.lower() in {".jpg", ".jpeg", ".png"})
    total = sum(f.stat().st_size for f in files) / 2**20
    count = min(len(files), int(len(files) * megabytes / total))
    target.mkdir()
    for number in range(count):
        copy2(files[number * len(files) // count], target)


def download_wheels(target: Path, python: str) -> None:
    """Download the wheels of `PACKAGES`."""
    pinned = dict(
        line.split("==") for line in (ROOT / "constraints.txt").read_text().split() if "==" in line
    )
    by_name = {name.lower().replace("_", "-"): version for name, version in pinned.items()}
    wanted = [f"{name}=={by_name[name.lower().replace('_', '-')]}" for name in PACKAGES]
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--only-binary=:all:", "--python-version", python, "--implementation", "cp"]
    for version in PLATFORMS:
        command += ["--platform", f"manylinux_2_{version}_x86_64"]
    command += ["--platform", "manylinux2014_x86_64", "-d", str(target)]
    subprocess.run([*command, *wanted], check=True)


def write_entry_points(site: Path) -> None:
    """Write the metadata by which the plugins of the checkout are found."""
    own = distribution("unblur")
    folder = site / f"unblur-{own.version}.dist-info"
    folder.mkdir(parents=True)
    for name in ("METADATA", "entry_points.txt"):
        (folder / name).write_text(own.read_text(name) or "", "utf-8")


if __name__ == "__main__":
    main()
