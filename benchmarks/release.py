"""The wheel as a user gets it: its size, and the demo in an empty environment.

    python benchmarks/release.py --constraint constraints.txt

Builds the wheel from the working tree, makes an environment, installs the wheel with its
dependencies (torch among them: some minutes), and runs `unblur run` on the photograph of the demo
in a folder outside of the checkout.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
MAX_WHEEL = 40 * 10**6
"""Largest size of the wheel, in bytes."""


def main() -> int:
    """Build, install and run; return 0 if all of it works."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--constraint", type=Path, help="file of pinned versions")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as held:
        folder = Path(held)
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
        subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
        (wheel,) = folder.glob("*.whl")
        size = wheel.stat().st_size
        print(f"{wheel.name}: {size / 1e6:.1f} MB of at most {MAX_WHEEL / 1e6:.0f}")
        subprocess.run([sys.executable, "-m", "venv", str(folder / "env")], check=True)
        binaries = folder / "env" / "bin"
        install = [str(binaries / "pip"), "install", "--quiet", str(wheel)]
        if options.constraint:
            install += ["--constraint", str(options.constraint.resolve())]
        began = time.monotonic()
        subprocess.run(install, check=True)
        print(f"installed in {time.monotonic() - began:.0f} s")
        photograph, output = ROOT / "examples" / "clock.png", folder / "sharp.png"
        began = time.monotonic()
        subprocess.run(
            [str(binaries / "unblur"), "run", "schuler-svmap", str(photograph), "-o", str(output)],
            cwd=folder,
            check=True,
        )
        made = sorted(p.name for p in folder.glob("sharp*"))
        print(f"ran in {time.monotonic() - began:.0f} s: {', '.join(made)}")
    is_whole = made == ["sharp.json", "sharp.png", "sharp.psf.tif"]
    return int(size > MAX_WHEEL or not is_whole)


if __name__ == "__main__":
    raise SystemExit(main())
