"""A batch of very many small pictures: processor time, memory, and sizes of what it writes.

    OMP_NUM_THREADS=1 python benchmarks/many_files.py --files 10000 --save

Three commands in processes of their own: `unblur run` on a pattern, the same with `--resume`, and
`unblur report` on all results. With `--save` the figures are written to
`benchmarks/results/many-files.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from provenance import provenance

RESULTS = Path(__file__).with_name("results") / "many-files.json"

EDGE = 24
"""Edge of a picture, in pixels."""


def measured(arguments: list[str], output: Path) -> dict[str, Any]:
    """Run the command; return its processor time (s), memory (MB) and lines on stderr."""
    errors = output.with_suffix(".stderr")
    with output.open("w") as out, errors.open("w") as err:
        command = [sys.executable, "-m", "unblur", *arguments]
        process = subprocess.Popen(command, stdout=out, stderr=err)
        _, status, used = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(errors.read_text()[-2000:])
    return {
        "seconds": round(used.ru_utime + used.ru_stime, 1),
        "memory_mb": round(used.ru_maxrss / 1024),
        "lines_of_progress": len(errors.read_text().splitlines()),
    }


def main() -> int:
    """Make the pictures, run the commands, and print or store the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as held:
        folder = Path(held)
        (folder / "in").mkdir()
        for number in range(options.files):
            picture = Image.fromarray(rng.integers(0, 255, (EDGE, EDGE), dtype=np.uint8))
            picture.save(folder / f"in/{number:05d}.png")
        np.save(folder / "psf.npy", np.full((3, 3), 1 / 9, np.float32))
        run = ["run", "wiener", f"{folder}/in/*.png", "-o", f"{folder}/out", "--psf",
               f"{folder}/psf.npy", "--json"]  # fmt: skip
        rows = {"run": measured(run, folder / "run.json")}
        print(rows, flush=True)
        rows["run"]["summary_mb"] = round((folder / "run.json").stat().st_size / 1e6, 2)
        if len(json.loads((folder / "run.json").read_text())["done"]) != options.files:
            raise RuntimeError("not every picture was deblurred")
        rows["resume"] = measured([*run, "--resume"], folder / "resume.json")
        if len(json.loads((folder / "resume.json").read_text())["skipped"]) != options.files:
            raise RuntimeError("not every picture was kept")
        print(rows, flush=True)
        page = folder / "page.html"
        given = ["report", f"{folder}/out/*.png", "-o", str(page)]
        rows["report"] = measured(given, folder / "report.txt")
        rows["report"]["page_mb"] = round(page.stat().st_size / 1e6, 1)
    content = {**provenance(), "files": options.files, "edge": EDGE, "rows": rows}
    print(json.dumps(content))
    if options.save:
        RESULTS.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
