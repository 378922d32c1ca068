"""Ring correlation of a micrograph beside what quoll, by miplib's code, finds on its own sample."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from unblur.numerics.metrics import ring_correlation, split_resolution

SAMPLES = Path(__file__).parent / "samples"
IMAGE = tifffile.imread(SAMPLES / "quoll-042.tif").astype(float)
QUOLL = json.loads((SAMPLES / "quoll.json").read_text("utf-8"))


def test_halves_of_the_sample_correlate_as_in_the_published_package():
    curves = [
        ring_correlation(IMAGE[::2, ::2], IMAGE[1::2, 1::2]),
        ring_correlation(IMAGE[::2, 1::2], IMAGE[1::2, ::2]),
    ]
    found = np.mean([abs(curve.correlation) for curve in curves], axis=0)
    # Its ring k holds the coefficients of k to k + 1, ours those of k - 0.5 to k + 0.5.
    stored = np.array(QUOLL["correlation"])
    difference = found[:63] - (stored[:-1] + stored[1:]) / 2
    assert abs(difference).mean() < 0.035
    resolutions = [curve.resolution() for curve in curves]
    assert np.mean(resolutions) == pytest.approx(QUOLL["two halves"], rel=0.05)


def test_the_split_image_resolves_as_in_the_published_package():
    found = split_resolution(IMAGE).before.resolution()
    assert found == pytest.approx(QUOLL["one image"], rel=0.2)
