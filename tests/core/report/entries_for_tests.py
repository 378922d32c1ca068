"""A result to report on, without files."""

from __future__ import annotations

import numpy as np

from unblur.model.image import Image
from unblur.model.kernel import KernelField
from unblur.report import ReportEntry
from unblur.testing import gaussian

RGB = ("red", "green", "blue")

REPORT = {
    "pipeline": {"summary": "Blind, for one <shaken> photograph."},
    "steps": [
        {"kind": "kernel", "name": "map", "params": {"size": "auto"}, "seconds": 1.5},
        {"kind": "deconvolve", "name": "tv", "params": {"weight": 0.01}, "seconds": 0.25},
    ],
    "seconds": 2.0,
    "seed": 7,
    "device": "cpu",
    "warnings": ["deconvolve 'tv' returned <nothing> but zeros."],
    "input": {
        "source": "<script>alert(1)</script>.png",
        "axes": "CYX",
        "shape": [3, 80, 120],
        "dtype": "|u1",
        "sha256": "ab" * 32,
        "hashed": "whole",
    },
    "versions": {"unblur": "9.8.7"},
}


def photo(level: int = 0, shape: tuple[int, int] = (80, 120)) -> Image:
    draw = np.random.default_rng(level)
    data = draw.integers(0, 200, (3, *shape)).astype(np.uint8) // 4 + level
    return Image(data, "CYX", channels=RGB)


def entry(**changes: object) -> ReportEntry:
    given = {
        "title": "clock & co.png",
        "before": photo(10),
        "after": photo(150),
        "kernel": KernelField.single(gaussian((9, 7), 1.5)),
        "report": REPORT,
    }
    return ReportEntry(**{**given, **changes})
