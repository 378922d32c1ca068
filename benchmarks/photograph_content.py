"""What the estimator `photograph` takes images for, by the category that their set states.

    python benchmarks/photograph_content.py lai --half report

The sets and their halves are those of `blind_cases.py`. The thresholds of
`unblur_classic.photograph.image_content` were chosen on the halves to tune on. Results:
`results/photograph-content`; the rows of sets and halves that are not run stay.
"""

from __future__ import annotations

import argparse
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from blind_cases import SETS, BlindCase, load_cases
from scale_table import Row, earlier_rows, write_table
from unblur.engine.intake.normalization import SATURATED_SHARE
from unblur.model.context import Context
from unblur_classic.map.preprocessing import preprocess, unclipped_pixels
from unblur_classic.map.search.kernel_search import search_kernel
from unblur_classic.photograph.image_content import measure_lights, measure_tones

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("set", choices=SETS)
    parser.add_argument("--half", choices=("tune", "report"), help="both if left out")
    parser.add_argument("--limit", type=int, help="at most as many cases, evenly spread")
    parser.add_argument("--workers", type=int, default=2, help="processes of one thread each")
    options = parser.parse_args()
    cases = load_cases(options.set, DATA, options.half)
    if options.limit:
        cases = [cases[i * len(cases) // options.limit] for i in range(options.limit)]
    with ProcessPoolExecutor(options.workers, get_context("spawn"), _begin) as pool:
        chosen = []
        for case, content in zip(cases, pool.map(choose_content, cases), strict=True):
            print(case.half, case.name, *content, flush=True)
            chosen.append({"half": case.half, "category": case.category, "content": content[0]})
    rows = summarize(options.set, chosen)
    earlier = earlier_rows("photograph-content", ["set", "half"], rows)
    remark = "Number of images that were taken for each content."
    title = "What the estimator photograph takes images for"
    write_table("photograph-content", title, [*earlier, *rows], remark, "number of the case")


def choose_content(case: BlindCase) -> tuple[str, str]:
    """Return what `photograph` takes a case for, and the evidence."""
    blurred = torch.tensor(case.load().blurred).float()[None] / 255
    mask, context = None, Context()
    saturated = (blurred[0] >= 1).float()
    if SATURATED_SHARE[0] <= float(saturated.mean()) <= SATURATED_SHARE[1]:
        mask, context = 1 - saturated, context.with_(saturation_level=1.0)
    lights = measure_lights(blurred, context, mask)
    if lights.is_night:
        return "night", str(lights)
    given = preprocess(blurred, context, unclipped_pixels(blurred, context, mask))
    tones = measure_tones(given, search_kernel(given, context))
    return "text" if tones.is_page else "natural", str(tones)


def summarize(name: str, chosen: list[dict[str, Any]]) -> list[Row]:
    """Return the counts of what was chosen, for each half and category of a set."""
    rows: list[Row] = []
    for half, category in dict.fromkeys((c["half"], c["category"]) for c in chosen):
        counts = Counter(
            c["content"] for c in chosen if (c["half"], c["category"]) == (half, category)
        )
        shown = {content: counts[content] for content in ("natural", "text", "night")}
        rows.append({"set": name, "half": half, "category": category, **shown})
    return sorted(rows, key=lambda row: row["half"])


def _begin() -> None:
    torch.set_num_threads(1)


if __name__ == "__main__":
    main()
