"""Plot the error ratio over the kernel size, from the results of schuler_kernels.py.

Usage: python docs/schuler_curve.py. It reads benchmarks/results/schuler-sizes.json and
schuler-large.json, and writes to docs/images.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from statistics import median

from unblur.training.plot import write_plot

ROOT = Path(__file__).parents[1]
WIDTH = 3
"""Number of neighbouring kernel sizes whose images are pooled in one point."""


def main() -> None:
    """Plot one curve for each layout: the median ratio over kernels of neighbouring sizes."""
    ratios: dict[tuple[str, int], list[float]] = defaultdict(list)
    for name in ("schuler-sizes", "schuler-large"):
        kept = json.loads((ROOT / f"benchmarks/results/{name}.json").read_text(encoding="utf-8"))
        for row in kept["rows"]:
            ratios[row["model"], row["size"]].append(row["ratio"])
    points = []
    for model in sorted({model for model, _ in ratios}):
        sizes = sorted(size for name, size in ratios if name == model)
        for size in sizes[WIDTH // 2 : len(sizes) - WIDTH // 2]:
            near = [r for n in sizes if abs(n - size) <= WIDTH - 1 for r in ratios[model, n]]
            points.append({"step": size, f"error ratio, {model}": median(near)})
    write_plot(points, "error ratio", ROOT / "docs/images/schuler-sizes.svg", "pixels of kernel")


if __name__ == "__main__":
    main()
