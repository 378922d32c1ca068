"""The manual's page of measurements beside the papers' figures, generated from the result files.

The papers' figures are in `paper_figures.py`; ours are read from `benchmarks/results` when the
manual is built, so that the page cannot differ from them. The rows of a missing file read
"not measured yet".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import mean, pstdev, stdev
from typing import Any

import paper_figures as paper
from result_tables import MISSING, NEVER, ResultFiles, grouped, plain, quality, table


def evidence(folder: Path) -> str:
    """Return the page in Markdown, from the result files in `folder`."""
    results = ResultFiles(folder)
    parts = [paper.INTRODUCTION]
    for section in (svmap, selfdeblur, kotera, schuler, discriminative, shake, races):
        parts += section(results)
        if sources := results.sources():
            parts += ["Measured:", sources]
    return "\n\n".join(parts) + "\n"


def svmap(results: ResultFiles) -> list[str]:
    """Return Tables 1 to 4 of SVMAP's paper."""

    def ours(file: str, noise: str, method: str) -> str:
        found = (
            r for r in results.rows(file) if (r.get("noise"), r.get("method")) == (noise, method)
        )
        return quality(next(found, None))

    files = {"1 %": "svmap-bsd", "5 %": "svmap-bsd", "saturated": "svmap-night"}
    rows: list[Sequence[object]] = []
    for data, noise, own, best in paper.SVMAP:
        known = files.get(noise) if "Sun" not in data else None
        found = [ours(known, noise, m) if known else NEVER for m in paper.SVMAP_METHODS]
        rows.append([data, noise, best, own, *found])
    ablation = [[*row, NEVER] for row in paper.SVMAP_ABLATION]
    return [
        paper.SVMAP_TEXT,
        table(
            ["data", "noise", "best other in the paper", "SVMAP in the paper", *paper.SVMAP_HEAD],
            rows,
        ),
        *(plain(results, name) for name in ("svmap-bsd", "svmap-night") if results.rows(name)),
        "Tables 3 and 4, ablations as the paper reports them:",
        table(["method", "data", "paper", "ours, on the paper's data"], ablation),
        "And ours, on our data:",
        plain(results, "svmap-ablation"),
        "Levin's 32 pairs with the true kernels:",
        plain(results, "svmap-levin"),
        "With estimated kernels, by weights trained with and without kernel errors:",
        plain(results, "svmap-estimated"),
    ]


def selfdeblur(results: ResultFiles) -> list[str]:
    """Return Tables 1 to 3 of SelfDeblur's paper."""
    rows: list[Sequence[object]] = [[*row, ""] for row in paper.LEVIN]
    for file, pipeline, label in paper.LEVIN_OURS:
        found = results.means(file, pipeline)
        if found is None:
            rows.append([label, MISSING, "", "", "", ""])
            continue
        ratio = f"{found['ratio']:.3f}" if found["ratio"] else ""
        psnr, ssim = quality(found).split(" / ")
        rows.append([f"**{label}**", psnr, ssim, ratio, f"{found['seconds']:.1f} s", "32"])
    for file, label in paper.LEVIN_NETWORKS:
        rows.append([f"**{label}**", *networks(results.rows(file))])
    variants = [[*row, NEVER] for row in paper.SELFDEBLUR_VARIANTS]
    return [
        paper.SELFDEBLUR_TEXT,
        table(["method", "PSNR", "SSIM", "error ratio", "seconds", "pairs of ours"], rows),
        "Tables 1 and 2, variants of SelfDeblur:",
        table(["variant", "paper", "ours"], variants),
    ]


def networks(rows: Sequence[Mapping[str, Any]]) -> list[object]:
    """Return the cells of an estimator by networks: scores of its image, ratio of its kernel."""
    if not rows:
        return [MISSING, "", "", "", ""]
    psnr, ssim = (mean(row["own"][key] for row in rows) for key in ("psnr", "ssim"))
    ratio = mean(row["error ratio"] for row in rows)
    seconds = mean(row["seconds"] for row in rows)
    cases = len({row["case"] for row in rows})
    return [f"{psnr:.2f}", f"{ssim:.4f}", f"{ratio:.3f}", f"{seconds:.0f} s", cases]


def kotera(results: ResultFiles) -> list[str]:
    """Return Table 1 of Kotera's paper."""
    rows = []
    for label, data, stated, file in paper.KOTERA:
        gains = [row["isnr"] for row in results.rows(file)]
        own = f"{mean(gains):.2f} dB, {len(gains)} runs" if gains else MISSING
        rows.append([label, data, stated, own])
    tried = by_case((row["case"], row["isnr"]) for row in results.rows("kotera_kodak"))
    spread = [pstdev(values) for values in tried.values()]
    more = f"Mean deviation between seeds: {mean(spread):.2f} dB." if spread else ""
    found = [paper.KOTERA_TEXT, table(["method", "data", "paper", "ours"], rows), more]
    return [*found, paper.KOTERA_SEEDS, seeds(results)]


def seeds(results: ResultFiles) -> str:
    """Return a table of the PSNR over the seeds of each pair."""
    tried = by_case((row["case"], row["own"]["psnr"]) for row in results.rows("kotera_seeds"))
    rows = [
        [case, len(values), *(f"{f(values):.2f}" for f in (mean, stdev, min, max))]
        for case, values in tried.items()
    ]
    head = ["pair", "seeds", "mean, dB", "standard deviation", "least", "most"]
    return table(head, rows) if rows else MISSING


def by_case(scores: Iterable[tuple[str, float]]) -> dict[str, list[float]]:
    """Return the scores of each case that has several seeds."""
    found: dict[str, list[float]] = {}
    for case, score in scores:
        found.setdefault(case, []).append(score)
    return {case: values for case, values in found.items() if len(values) > 1}


def schuler(results: ResultFiles) -> list[str]:
    """Return Table 1, Fig. 17 and Fig. 19 of Learning to Deblur, and Kodak beside `map`."""
    speeds = {(row["model"], row["edge"]): row["seconds"] for row in results.rows("schuler-speed")}
    seconds = [
        [f"{edge} x {edge}", f"{stated} s"]
        + [
            f"{speeds[model, edge]:.2f} s" if (model, edge) in speeds else NEVER
            for model in paper.SCHULER_LAYOUTS
        ]
        for edge, stated in paper.SCHULER_SECONDS
    ]
    areas = grouped(results.rows("schuler-area"), "edge", ("all", "textured"))
    return [
        paper.SCHULER_TEXT,
        table(["image", "paper, i5 in Matlab", "ours", "ours, the paper's layout"], seconds),
        paper.SCHULER_SIZES,
        *by_model(results.rows("schuler-sizes"), "size", paper.SCHULER_LAYOUTS),
        paper.SCHULER_LARGE,
        *by_model(results.rows("schuler-large"), "size", paper.SCHULER_LAYOUTS),
        paper.SCHULER_NOISY,
        *by_model(results.rows("schuler-noisy"), "size", (*paper.SCHULER_LAYOUTS, "map")),
        paper.SCHULER_AREA,
        table(["edge", "pictures", "all windows", "textured windows"], areas) if areas else MISSING,
        paper.SCHULER_KODAK,
        *by_model(results.rows("schuler-kodak"), "size", ("deep", "map")),
    ]


def by_model(rows: Sequence[Mapping[str, Any]], by: str, models: Sequence[str]) -> list[str]:
    """Return a table of means for each of the `models` that has rows."""
    parts = []
    for model in models:
        of_it = [row for row in rows if row["model"] == model]
        found = grouped(of_it, by, ("similarity", "ratio"))
        if found:
            head = [f"kernel, by `{model}`", "pictures", "similarity", "error ratio"]
            parts.append(table(head, found))
    return parts or [MISSING]


def discriminative(results: ResultFiles) -> list[str]:
    """Return Tables 1 and 2, Figs. 3, 10 and 13 of Learning a Discriminative Prior."""
    text = next((n for n in paper.PAGES if results.read(n) is not None), paper.PAGES[0])
    accuracy = [
        [row["set"], row["pictures"], row["shrunk by"], f"{row['accuracy']:.1f} %"]
        for row in results.rows("discriminative-accuracy")
    ]
    ablation = []
    for pipeline, label in paper.PRIOR_ABLATION:
        found = results.means("levin-discriminative", pipeline)
        cells = [MISSING] * 3
        if found:
            cells = [f"{found['psnr']:.2f}", f"{found['good']} of 32", f"{found['similarity']:.3f}"]
        ablation.append([label, *cells])
    iteration_key = "turn"  # of the stored results
    stored = results.rows("discriminative-curves")
    curves = [row for row in stored if row[iteration_key] % 5 == 0]
    similarity = [
        [row[iteration_key], *(f"{row[key]:.3f}" for key in ("without", "with"))] for row in curves
    ]
    times = {row["edge"]: row for row in results.rows("discriminative-speed")}
    seconds = [
        [f"{edge} x {edge}", stated, f"{times[edge]['processor seconds']:.1f} s"]
        if edge in times
        else [f"{edge} x {edge}", stated, NEVER]
        for edge, stated in paper.PRIOR_STATED
    ]
    trained = results.rows("discriminative-ablation")
    return [
        paper.PRIOR_TEXT,
        plain(results, text),
        paper.PRIOR_ACCURACY,
        table(["set", "pictures", "shrunk by", "correct"], accuracy) if accuracy else MISSING,
        *([paper.PRIOR_TRAINED, plain(results, "discriminative-ablation")] if trained else []),
        paper.PRIOR_LEVIN,
        table(["priors", "PSNR", "error ratio < 2", "kernel similarity"], ablation),
        paper.PRIOR_BOUND,
        plain(results, "discriminative-bound"),
        paper.PRIOR_CURVES,
        table(["iteration", "without", "with the prior"], similarity) if similarity else MISSING,
        paper.PRIOR_SECONDS,
        table(["image", "paper, i7 in Matlab", "ours, processor seconds"], seconds),
    ]


def shake(results: ResultFiles) -> list[str]:
    """Return the measurements of blur that varies over the image."""
    return ["## Camera shake with rotation", paper.SHAKE_TEXT, plain(results, "camera-shake")]


def races(results: ResultFiles) -> list[str]:
    """Return the comparisons with other tools."""
    parts = [paper.RACES_TEXT]
    for name, title in paper.RACES:
        remark = (results.read(name) or {}).get("remark", "")
        parts += [f"### {title}", remark, plain(results, name)]
    return [part for part in [*parts, *iteration(results)] if part]


def iteration(results: ResultFiles) -> list[str]:
    """Return the time of an iteration of SelfDeblur and of a plain module of its architecture."""
    found = results.read("selfdeblur_iteration")
    title = "### SelfDeblur, one iteration"
    if found is None:
        return [title, f"{MISSING.capitalize()} (`selfdeblur_iteration.json`)."]
    seconds, used = found["seconds per iteration"], found["processor seconds per iteration"]
    rows = [[name, f"{seconds[name]:.2f} s", f"{used[name]:.2f} s"] for name in seconds]
    text = paper.ITERATION_TEXT.format(threads=found["threads"])
    return [title, text, table(["module", "seconds", "processor seconds"], rows)]
