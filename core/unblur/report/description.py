"""The JSON report of a result in words, for the page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from unblur.model.choices import describe_choices
from unblur.model.confidence import describe_confidence

ReportDict = Mapping[str, Any]


def facts(report: ReportDict) -> list[tuple[str, str]]:
    """Return the few figures that are shown above the picture."""
    found = []
    if report.get("steps"):
        found.append(("steps", " → ".join(str(step["name"]) for step in report["steps"])))
    confidence = _confidence(report)
    if confidence:
        found.append(("confidence", confidence))
    choices = _choices(report)
    if choices:
        found.append(("chosen", ", ".join(choices)))
    if "seconds" in report:
        found.append(("took", f"{report['seconds']:.1f} s"))
    if report.get("device"):
        found.append(("on", str(report["device"])))
    if "seed" in report:
        found.append(("seed", str(report["seed"])))
    return found


def warnings(report: ReportDict) -> list[str]:
    """Return the warnings of the run, one sentence each."""
    return [str(sentence) for sentence in report.get("warnings", ())]


def rows(report: ReportDict) -> Iterator[tuple[str, str]]:
    """Yield name and value of each line of the report."""
    for number, step in enumerate(report.get("steps", ()), start=1):
        seconds = step.get("seconds", 0.0)
        yield f"step {number}: {step['kind']}", f"{step['name']} ({seconds:.2f} s)"
        for name, value in step.get("params", {}).items():
            yield f"· {name}", _plain(value)
    if report.get("kernel"):
        yield "kernel", _kernel(report["kernel"])
        confidence = _confidence(report)
        if confidence:
            yield "kernel, confidence", confidence
        choices = _choices(report)
        if choices:
            yield "kernel, chosen", describe_choices(choices)
    if report.get("noise") is not None:
        yield "noise", f"{report['noise']:.4g} (white = 1)"
    if report.get("mask"):
        yield "mask", _mask(report["mask"])
    if report.get("tiles"):
        yield "tiles", _plain(report["tiles"])
    if report.get("crop"):
        yield "crop", _plain(report["crop"])
    if report.get("input"):
        given = report["input"]
        shape = " × ".join(str(n) for n in given["shape"])
        kind = np.dtype(given["dtype"]).name
        yield "input", f"{given['source']} ({given['axes']} {shape}, {kind})"
        yield "input, sha256", f"{given['sha256']} ({given['hashed']})"
    if report.get("started"):
        yield "begun", f"{report['started']} (UTC)"
    if report.get("peak_memory"):
        yield "peak memory", f"{report['peak_memory'] / 2**30:.2f} GiB"
    for name, version in report.get("versions", {}).items():
        yield name, str(version)


def _kernel(record: ReportDict) -> str:
    size = " × ".join(str(n) for n in record["shape"])
    origin = str(record["origin"])
    if origin != "given" and not origin.startswith("frozen on"):
        origin = f"estimated by {origin}"
    region = f" from {record['region']}" if record.get("region") else ""
    return f"{size} px, {origin}{region}"


def _confidence(report: ReportDict) -> str:
    """Return the confidence of the kernel in words, "" where it is unknown."""
    confidence = (report.get("kernel") or {}).get("confidence")
    return "" if confidence is None else describe_confidence(confidence)


def _choices(report: ReportDict) -> Mapping[str, str]:
    """Return what the estimator chose, each with the evidence for it."""
    return (report.get("kernel") or {}).get("choices") or {}


def _mask(record: ReportDict) -> str:
    share = f"{100 * record['saturated_share']:.2g} % of values saturated"
    masked = "masked" if record["saturated_masked"] else "not masked"
    return f"{record['nonfinite']} values not finite; {share}, {masked}"


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        parts = (f"{name} {_plain(inner)}" for name, inner in value.items())
        return ", ".join(parts) or "none"
    if isinstance(value, list | tuple):
        return "; ".join(map(_plain, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    return "none" if value is None else str(value)
