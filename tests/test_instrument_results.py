"""Stored results of stars, theoretical PSFs and ring correlations reach what the manual states."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

RESULTS = Path(__file__).parents[1] / "benchmarks/results"


def rows(name):
    return json.loads((RESULTS / f"{name}.json").read_text("utf-8"))["rows"]


def test_a_field_of_psfs_leaves_a_third_of_what_one_psf_leaves():
    found = [row for row in rows("star-field") if row["PSF"] == "one / field"]
    assert len(found) == 3
    for row in found:
        assert min(row["width"], row["ellipticity"], row["photometry"]) > 3


def test_the_flux_of_stars_is_kept_and_the_sky_has_no_more_noise():
    estimated = [row for row in rows("star-field") if row["PSF"] in ("one", "field")]
    assert len(estimated) == 6
    for row in estimated:
        assert row["flux"] == pytest.approx(1, abs=0.02)
        assert row["fainter flux"] == pytest.approx(1, abs=0.02)
        assert row["sky at equal width"] < 1
    known = rows("star-flux")
    assert len(known) == 5
    for row in known:
        assert row["flux"] == pytest.approx(1, abs=0.01)


def test_theoretical_psfs_serve_no_other_package_better():
    found = rows("theoretical-psf")
    assert len(found) == 3
    for row in found:
        others = {key: value for key, value in row.items() if key.split()[0] in PACKAGES}
        assert {key.split()[0] for key in others} == PACKAGES
        assert row["optics-richardson-lucy"] >= max(others.values())


PACKAGES = {"scikit-image", "RedLionfish", "sdeconv"}


def test_ring_correlations_are_those_of_published_packages():
    for row in rows("ring-correlation"):
        assert row["two halves"] == pytest.approx(row["two halves, package"], rel=0.05)
        assert row["mean difference of a ring"] < 0.035
        assert row["one image"] == pytest.approx(row["one image, package"], rel=0.2)
