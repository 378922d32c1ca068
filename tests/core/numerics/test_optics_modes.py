"""PSFs of each type of microscope against products of the fields of two published packages."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from unblur.numerics.optics import Beam, Microscope, microscope_kernel

STORED = json.loads((Path(__file__).parent / "optics_modes.json").read_text("utf-8"))
"""Written by `benchmarks/optics_modes.py`."""


@pytest.mark.parametrize("size", [17, 16])
@pytest.mark.parametrize(
    "profile",
    STORED["profiles"],
    ids=lambda p: f"{p['package'].split()[0]}-{p['kind']}-{p['is_vectorial']}",
)
def test_each_type_is_that_of_both_packages_to_one_per_cent_of_the_peak(profile, size):
    optics = STORED["optics"]
    beams = [
        Beam(optics[w], optics["na"], optics["index"], optics["index"],
             is_vectorial=profile["is_vectorial"])
        for w in ("emission", "excitation")
    ]  # fmt: skip
    microscope = Microscope(profile["kind"], *beams, optics["pinhole"], optics["sheet"])
    planes = len(profile["axial"]) - 1 + size % 2  # even with an even size
    made = microscope_kernel(
        microscope, optics["pixel"], optics["step"], size=size, planes=planes, integrated=False
    )
    values = made.weights / made.weights.max()
    row, middle = size // 2, planes // 2
    left = len(profile["lateral"]) // 2 - row
    inside = slice(left, left + size)
    for plane, stored in ((middle, "lateral"), (middle - 3, "defocused")):
        np.testing.assert_allclose(values[plane, row], profile[stored][inside], atol=0.01)
    np.testing.assert_allclose(values[:, row, row], profile["axial"][:planes], atol=0.01)
