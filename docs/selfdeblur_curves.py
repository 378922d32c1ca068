"""Plot PSNR over time from the rows of benchmarks/selfdeblur_table.py.

Usage: python docs/selfdeblur_curves.py [ROWS], by default those of the preset `fast` of `kotera`
on Levin's pairs. Writes to docs/images.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from unblur.training.plot import write_plot

ROOT = Path(__file__).parents[1]
CURVE = "curve of iteration, seconds, cpu seconds, psnr"


def main() -> None:
    """Plot one curve for each pair, from the first preview at full size."""
    given = sys.argv[1:] or [str(ROOT / "benchmarks/results/kotera_levin_fast.json")]
    kept = json.loads(Path(given[0]).read_text(encoding="utf-8"))
    points = [
        {"step": seconds, f"PSNR {row['case']}": psnr}
        for row in kept
        for _, _, seconds, psnr in row[CURVE]
    ]
    write_plot(points, "PSNR", ROOT / "docs/images/selfdeblur-curves.svg", "processor seconds")


if __name__ == "__main__":
    main()
