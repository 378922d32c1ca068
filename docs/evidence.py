"""The page that sets what was measured beside what the papers state, made from the result files.

Figures of the papers stand in `paper_figures.py`; ours are read from `benchmarks/results` when the
manual is built, so that the page cannot differ from them. A file that is not there makes its rows
say "not measured yet".
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import mean, pstdev
from typing import Any

import paper_figures as paper

MISSING = "not measured yet"
NEVER = "not measured"


class Results:
    """The result files of a folder, and which of them a table has drawn on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.used: list[str] = []

    def read(self, name: str) -> Any:
        """Return the content of `NAME.json`, or None if there is no such file.

        Words of a name may be joined by hyphens or by underscores.
        """
        names = [name]
        if not name.startswith("race-"):  # races of earlier versions have another form
            names += [name.replace("_", "-"), name.replace("-", "_")]
        name = next((n for n in names if (self.folder / f"{n}.json").exists()), "")
        if not name:
            return None
        if name not in self.used:
            self.used.append(name)
        return json.loads((self.folder / f"{name}.json").read_text("utf-8"))

    def rows(self, name: str) -> list[Mapping[str, Any]]:
        """Return the rows of a file, none if it is not there."""
        content = self.read(name) or []
        if not isinstance(content, Mapping):
            return list(content)
        if "pipelines" in content:  # as `unblur bench` writes it
            return [{"pipeline": p["name"], **p["mean"]} for p in content["pipelines"]]
        return list(content.get("rows", [content]))

    def means(self, name: str, pipeline: str) -> Mapping[str, Any] | None:
        """Return the means that `unblur bench` found for a pipeline."""
        content = self.read(name) or {"pipelines": []}
        found = (p["mean"] for p in content["pipelines"] if p["name"] == pipeline)
        return next(found, None)

    def sources(self) -> str:
        """Return where the figures since the last call come from, and forget them."""
        lines = [f"- {self.source(name)}" for name in self.used]
        self.used.clear()
        return "\n".join(lines)

    def source(self, name: str) -> str:
        """Return what a file says of device, seed, date, version and command."""
        content = self.read(name)
        facts = content if isinstance(content, Mapping) else next(iter(content), {})
        said = [str(facts[key]) for key in ("device", "date") if facts.get(key)]
        if "seed" in facts:
            said.append(f"seed {facts['seed']}")
        versions = dict(facts.get("versions", {}))
        versions |= {
            key: facts[key] for key in ("unblur", "torch") if isinstance(facts.get(key), str)
        }
        said += [f"{key} {value}" for key, value in versions.items()]
        command = f", by `{facts['command']}`" if facts.get("command") else ""
        text = ", ".join(said) or "the file states neither device nor date"
        remark = "" if name.startswith("race-") else facts.get("remark", "")  # shown there already
        return f"`benchmarks/results/{name}.json`: {text}{command}. {remark}".rstrip()


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table in Markdown."""
    lines = [list(head), ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def quality(row: Mapping[str, Any] | None, missing: str = MISSING) -> str:
    """Return PSNR and SSIM of a row, or that there is none."""
    return missing if row is None else f"{row['psnr']:.2f} / {row['ssim']:.4f}"


def evidence(folder: Path) -> str:
    """Return the page in Markdown, from the result files in `folder`."""
    results = Results(folder)
    parts = [paper.INTRODUCTION]
    for section in (svmap, selfdeblur, kotera, schuler, discriminative, shake, races):
        parts += section(results)
        if sources := results.sources():
            parts += ["Measured:", sources]
    return "\n\n".join(parts) + "\n"


def svmap(results: Results) -> list[str]:
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
        "Tables 3 and 4, what was left out of the method, as the paper states it:",
        table(["method", "data", "paper", "ours, on the paper's data"], ablation),
        "And ours, on our data:",
        plain(results, "svmap-ablation"),
        "Levin's 32 pairs with the true kernels:",
        plain(results, "svmap-levin"),
    ]


def selfdeblur(results: Results) -> list[str]:
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
    """Return the cells of an estimator by networks: its own image, and the kernel's error ratio."""
    if not rows:
        return [MISSING, "", "", "", ""]
    psnr, ssim = (mean(row["own"][key] for row in rows) for key in ("psnr", "ssim"))
    ratio = mean(row["error ratio"] for row in rows)
    seconds = mean(row["seconds"] for row in rows)
    cases = len({row["case"] for row in rows})
    return [f"{psnr:.2f}", f"{ssim:.4f}", f"{ratio:.3f}", f"{seconds:.0f} s", cases]


def kotera(results: Results) -> list[str]:
    """Return Table 1 of Kotera's paper."""
    rows = []
    for label, data, stated, file in paper.KOTERA:
        gains = [row["isnr"] for row in results.rows(file)]
        own = f"{mean(gains):.2f} dB, {len(gains)} runs" if gains else MISSING
        rows.append([label, data, stated, own])
    deviations = {}
    for row in results.rows("kotera_kodak"):
        deviations.setdefault(row["case"], []).append(row["isnr"])
    spread = [pstdev(values) for values in deviations.values() if len(values) > 1]
    more = f"Mean deviation between seeds: {mean(spread):.2f} dB." if spread else ""
    return [paper.KOTERA_TEXT, table(["method", "data", "paper", "ours"], rows), more]


def schuler(results: Results) -> list[str]:
    """Return Table 1, Fig. 17 and Fig. 19 of Learning to Deblur."""
    speeds = {row["edge"]: row["seconds"] for row in results.rows("schuler-speed")}
    seconds = [
        [f"{edge} x {edge}", f"{stated} s", f"{speeds[edge]:.1f} s" if edge in speeds else NEVER]
        for edge, stated in paper.SCHULER_SECONDS
    ]
    sizes = grouped(results.rows("schuler-sizes"), "size", ("similarity", "ratio"))
    areas = grouped(results.rows("schuler-area"), "edge", ("similarity",))
    return [
        paper.SCHULER_TEXT,
        table(["image", "paper, i5 in Matlab", "ours"], seconds),
        paper.SCHULER_SIZES,
        table(["kernel", "pictures", "similarity", "error ratio"], sizes) if sizes else MISSING,
        paper.SCHULER_AREA,
        table(["edge", "pictures", "similarity"], areas) if areas else MISSING,
    ]


def grouped(rows: Sequence[Mapping[str, Any]], by: str, keys: Sequence[str]) -> list[list[object]]:
    """Return a row for each value of `by`: how many there are, and the means of `keys`."""
    values = sorted({row[by] for row in rows})
    same = [[row for row in rows if row[by] == value] for value in values]
    return [
        [value, len(group), *(f"{mean(row[key] for row in group):.3f}" for key in keys)]
        for value, group in zip(values, same, strict=True)
    ]


def discriminative(results: Results) -> list[str]:
    """Return Tables 1 and 2, Figs. 3, 10 and 13 of Learning a Discriminative Prior."""
    text = next((n for n in paper.PAGES if results.read(n) is not None), paper.PAGES[0])
    verdicts = [
        [row["set"], row["pictures"], row["shrunk by"], f"{row['accuracy']:.1f} %"]
        for row in results.rows("discriminative_accuracy")
    ]
    ablation = []
    for pipeline, label in paper.PRIOR_ABLATION:
        found = results.means("levin-discriminative", pipeline)
        cells = [MISSING] * 3
        if found:
            cells = [f"{found['psnr']:.2f}", f"{found['good']} of 32", f"{found['similarity']:.3f}"]
        ablation.append([label, *cells])
    timed = results.means("levin-discriminative", "discriminative")
    own = f"{timed['seconds']:.1f} s" if timed else MISSING
    return [
        paper.PRIOR_TEXT,
        plain(results, text),
        paper.PRIOR_ACCURACY,
        table(["set", "pictures", "shrunk by", "right"], verdicts) if verdicts else MISSING,
        paper.PRIOR_LEVIN,
        table(["priors", "PSNR", "error ratio < 2", "kernel similarity"], ablation),
        paper.PRIOR_SECONDS,
        table(
            ["image", "paper, i7 in Matlab", "ours"],
            [
                ["255 x 255", "109 s", own],
                ["600 x 600", "380 s", NEVER],
                ["800 x 800", "655 s", NEVER],
            ],
        ),
    ]


def shake(results: Results) -> list[str]:
    """Return what was measured of blur that varies over the image."""
    return ["## Camera shake that turns", paper.SHAKE_TEXT, plain(results, "camera-shake")]


def races(results: Results) -> list[str]:
    """Return the races against other tools."""
    parts = [paper.RACES_TEXT]
    for name, title in paper.RACES:
        remark = (results.read(name) or {}).get("remark", "")
        parts += [f"### {title}", remark, plain(results, name)]
    return [part for part in [*parts, *iteration(results)] if part]


def iteration(results: Results) -> list[str]:
    """Return what an iteration of SelfDeblur takes beside a plain module of its layout."""
    found = results.read("selfdeblur_iteration")
    title = "### SelfDeblur, one iteration"
    if found is None:
        return [title, f"{MISSING.capitalize()} (`selfdeblur_iteration.json`)."]
    seconds, used = found["seconds per iteration"], found["processor seconds per iteration"]
    rows = [[name, f"{seconds[name]:.2f} s", f"{used[name]:.2f} s"] for name in seconds]
    text = paper.ITERATION_TEXT.format(threads=found["threads"])
    return [title, text, table(["module", "seconds", "processor seconds"], rows)]


def plain(results: Results, name: str) -> str:
    """Return the rows of a file as a table, whatever their columns are."""
    rows = [flat(row) for row in results.rows(name)]
    if not rows:
        return f"{MISSING.capitalize()} (`{name}.json`)."
    columns = list(dict.fromkeys(key for row in rows for key in row))
    columns = [c for c in columns if any(row.get(c) not in (None, "") for row in rows)]
    return table(columns, ([cell(row.get(column)) for column in columns] for row in rows))


def flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row without lists, the entries of a mapping in columns of their own."""
    cells: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, Mapping):
            cells |= {f"{key}, {name}": entry for name, entry in value.items()}
        elif not isinstance(value, list):
            cells[key] = value
    return cells


def cell(value: object) -> str:
    """Return a value as it is shown: four digits, nothing for None."""
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
