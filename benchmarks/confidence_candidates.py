"""The refined kernels of searches, right and wrong ones, to which the confidence is fitted.

    python benchmarks/confidence_candidates.py bsd-blind 55073_51_0.003_plain
    python benchmarks/confidence_candidates.py kodak-blind      # all cases of the half to tune on

Each kernel that `map` compares is measured (`kernel_confidence.Evidence`), and the image is
deblurred with it by `hyper-laplacian`. `results/confidence-candidates` has a row for each;
`confidence.py fit` reads it. Cases that are not run stay.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any
from unittest.mock import patch

from blind import DATA, FAILED_BELOW, as_tensor
from blind_cases import SETS, BlindCase, load_cases
from blind_scores import best_score
from scale_table import earlier_rows, write_table
from unblur.engine import deblur
from unblur.numerics.kernel_ops import recentre
from unblur.pipeline import Pipeline
from unblur_classic.map.search import candidates
from unblur_classic.map.search.candidates import Candidate

NAME = "confidence-candidates"
REMARK = (
    "Kernels that a search found, refined, and those with which the image gains less than 0.5 dB "
    "in PSNR, of cases of the halves to tune on. Those stored are of the 74 cases of the lowest "
    "confidence, and were measured before kernels were compared on the same pixels."
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("set", choices=SETS)
    parser.add_argument("cases", nargs="*", help="names of cases; all if left out")
    options = parser.parse_args()
    cases = load_cases(options.set, DATA, "tune")
    rows: list[dict[str, Any]] = []
    for case in cases:
        if not options.cases or case.name in options.cases:
            rows += [{"set": options.set, **row} for row in measure_candidates(case)]
    store([*earlier_rows(NAME, ["set", "case"], rows, "cases"), *rows])


def measure_candidates(case: BlindCase) -> list[dict[str, Any]]:
    """Return the evidence for each kernel that is compared for a case, and what it gains."""
    compared: list[list[Candidate]] = []
    compare = candidates.measure_together

    def record(*arguments: Any) -> list[Candidate]:
        compared.append(compare(*arguments))
        return compared[-1]

    pair, curve = case.load(), case.tone_curve
    with patch.object(candidates, "measure_together", record):
        deblur(pair.blurred, Pipeline.load("map-hyper-laplacian"), tone_curve=curve)
    before = best_score(as_tensor(pair.blurred) - pair.offset, pair.sharp).psnr
    rows = []
    for candidate in max(compared, key=len):
        psf = recentre(candidate.kernel, grow=True).cpu().numpy()
        result = deblur(pair.blurred, Pipeline.load("hyper-laplacian"), psf=psf, tone_curve=curve)
        after = best_score(as_tensor(result.image) - pair.offset, pair.sharp).psnr
        evidence = {name: round(x, 4) for name, x in asdict(candidate.evidence).items()}
        row = {"case": case.name, "blurred": round(before, 2), "psnr": round(after, 2)}
        rows.append({**row, "evidence": evidence})
    return rows


def store(rows: list[Any]) -> None:
    """Write the kernels, and how many of each set are wrong ones."""
    table = []
    for name in SETS:
        chosen = [row for row in rows if row["set"] == name]
        if chosen:
            failed = sum(row["psnr"] < row["blurred"] + FAILED_BELOW for row in chosen)
            n_cases = len({row["case"] for row in chosen})
            table.append({"set": name, "cases": n_cases, "kernels": len(chosen), "failed": failed})
    title = "Kernels to which the weights of the confidence are fitted"
    write_table(NAME, title, table, REMARK, "number of the case", rows)


if __name__ == "__main__":
    main()
