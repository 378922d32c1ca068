"""PSFs of microscopes: against published packages, brute force, and the laws of a kernel."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.signal import fftconvolve
from scipy.special import j0

from unblur.errors import KernelError
from unblur.numerics.optics import Beam, Microscope, focal_intensity, microscope_kernel
from unblur.numerics.optics.diffraction import best_focus
from unblur.numerics.optics.microscope import _through_pinhole
from unblur.numerics.optics.voxels import PixelAverage

REFERENCES = json.loads(Path(__file__).with_name("optics_references.json").read_text("utf-8"))
"""Profiles made by `python benchmarks/optics_references.py`, with psf-generator and pyotf."""

OIL = Beam(0.52, 1.4, 1.518, 1.518)
BLUE = Beam(0.488, 1.4, 1.518, 1.518)


@pytest.mark.parametrize(
    "reference", REFERENCES, ids=lambda r: f"{r['package']}-{r['beam']['is_vectorial']}"
)
def test_profiles_are_those_of_published_packages_to_one_per_cent_of_the_peak(reference):
    beam = Beam(**reference["beam"])
    radius = np.arange(len(reference["lateral"])) * reference["pixel"]
    focus = np.array(reference["focus"])
    plane = reference["plane"]
    made = focal_intensity(beam, radius, focus)
    made /= made[0, plane]
    for name, own in (
        ("lateral", made[:, plane]),
        ("defocused", made[:, plane - 5]),
        ("axial", made[0]),
    ):
        np.testing.assert_allclose(own, reference[name], atol=0.01, err_msg=name)


def test_scalar_diffraction_equals_adaptive_quadrature():
    """The integral of Gibson and Lanni, at the worst of some points far from the focus."""
    beam = Beam(0.6, 1.2, 1.33, 1.40, depth=8.0, is_vectorial=False)
    n, s, k = 1.33, 1.40, 2 * np.pi / 0.6
    points = [(0.0, 0.0), (1.7, -2.0), (3.1, 4.5)]

    def integrand(t, r, z, part):
        path = 8.0 * (np.sqrt(s**2 - (n * np.sin(t)) ** 2) - n**2 / s * np.cos(t))
        phase = np.exp(1j * k * (path - n * z * np.cos(t)))
        return getattr(phase * j0(k * n * r * np.sin(t)) * np.sin(t) * np.cos(t), part)

    largest = np.arcsin(1.2 / n)
    for r, z in points:
        parts = [quad(integrand, 0, largest, (r, z, p), limit=400)[0] for p in ("real", "imag")]
        exact = parts[0] ** 2 + parts[1] ** 2
        own = focal_intensity(beam, np.array([r]), np.array([z]))[0, 0]
        assert own == pytest.approx(exact, rel=1e-6, abs=1e-12)


def test_both_models_agree_at_a_small_aperture():
    radius, focus = np.linspace(0, 5, 40), np.linspace(-20, 20, 5)
    scalar, vectorial = (
        focal_intensity(Beam(0.5, 0.1, 1.0, 1.0, is_vectorial=v), radius, focus)
        for v in (False, True)
    )
    np.testing.assert_allclose(scalar / scalar.max(), vectorial / vectorial.max(), atol=2e-3)


def test_a_pinhole_integrates_over_its_disk():
    average = PixelAverage.of(81, 0.02, OIL.cell, 10, integrated=False)
    focus = np.array([0.0, 0.4])
    plain = average(focal_intensity(OIL, average.radius, focus))
    radius = 1.22 * 0.52 / 1.4 / 2
    at = (np.arange(81 * 9) - 364) * 0.02 / 9
    disk = (np.hypot(at[:, None], at) <= radius).reshape(81, 9, 81, 9).mean((1, 3))
    detected = average(_through_pinhole(OIL, 1.0, average.radius, focus))
    for plane, own in zip(plain, detected, strict=True):
        middle = (slice(20, 61), slice(20, 61))
        expected = fftconvolve(plane, disk, mode="same")[middle] * 0.02**2
        np.testing.assert_allclose(own[middle], expected, atol=0.005 * expected.max())


def test_microscopes_are_products_of_their_beams():
    radius, focus = np.arange(30) * 0.02, np.array([0.0, 0.3])
    excited, emitted = (focal_intensity(beam, radius, focus) for beam in (BLUE, OIL))
    point = excited * emitted
    for pinhole in (0.001, 0.05):
        closed = Microscope("confocal", OIL, BLUE, pinhole).intensity(radius, focus)
        np.testing.assert_allclose(closed / closed.max(), point / point.max(), atol=0.01)
    two = Microscope("two-photon", excitation=BLUE).intensity(radius, focus)
    np.testing.assert_allclose(two, excited**2)
    sheet = Microscope("light-sheet", OIL, sheet=0.6).intensity(radius, focus)
    np.testing.assert_allclose(sheet, emitted * [1, 0.5])  # half at half of the full width


@pytest.mark.parametrize("kind", ["widefield", "confocal", "light-sheet", "two-photon"])
@pytest.mark.parametrize(("size", "planes"), [(15, 7), (16, 8)])
def test_a_kernel_sums_to_one_about_its_centre_also_for_even_sizes(kind, size, planes):
    optics = Microscope(kind, OIL, BLUE, sheet=1.0)
    kernel = microscope_kernel(optics, 0.1, 0.2, size=size, planes=planes)
    weights = kernel.weights
    assert weights.shape == (planes, size, size)
    assert weights.sum(dtype=np.float64) == pytest.approx(1, abs=1e-6)
    centre = (planes // 2, size // 2, size // 2)
    assert np.unravel_index(weights.argmax(), weights.shape) == centre
    odd = weights[1 - planes % 2 :, 1 - size % 2 :, 1 - size % 2 :]
    for axes in ((0,), (1,), (2,)):
        np.testing.assert_allclose(odd, np.flip(odd, axes), atol=1e-6 * weights.max())
    assert kernel.pixel_size == {"Z": 0.2, "Y": 0.1, "X": 0.1}


def test_a_pixel_holds_the_mean_over_its_area():
    fine = microscope_kernel(Microscope("widefield", OIL), 0.02, size=45, integrated=False)
    coarse = microscope_kernel(Microscope("widefield", OIL), 0.1, size=9)
    summed = fine.weights.reshape(9, 5, 9, 5).sum((1, 3))
    np.testing.assert_allclose(
        coarse.weights / coarse.weights.max(), summed / summed.max(), atol=2e-3
    )


def test_a_mismatch_of_indices_moves_the_focus_and_the_kernel_is_centred_on_it():
    deep = Beam(0.52, 1.3, 1.518, 1.38, depth=10.0)
    assert best_focus(OIL) == 0
    assert abs(best_focus(deep)) > 0.3
    kernel = microscope_kernel(Microscope("widefield", deep), 0.1, 0.2, size=31, planes=31)
    axial = kernel.weights[:, 15, 15]
    assert axial.argmax() == 15
    assert np.abs(axial - axial[::-1]).max() > 0.1 * axial.max()
    other = microscope_kernel(
        Microscope("widefield", deep), 0.1, 0.2, size=31, planes=31, towards_coverslip=True
    )
    np.testing.assert_allclose(other.weights, kernel.weights[::-1], atol=1e-7)


def test_an_extent_chosen_by_itself_holds_the_light_and_fits_the_image():
    kernel = microscope_kernel(Microscope("two-photon", excitation=BLUE), 0.05, 0.1)
    assert max(kernel.shape) < 61
    inside = microscope_kernel(Microscope("widefield", OIL), 0.1, 0.2, max_shape=(6, 20, 24))
    assert all(k <= n for k, n in zip(inside.shape, (6, 20, 24), strict=True))
    assert all(k % 2 for k in inside.shape)


def test_what_cannot_be_computed_is_refused():
    with pytest.raises(KernelError, match="below the refractive index"):
        Beam(0.5, 1.4, 1.33, 1.33)
    with pytest.raises(KernelError, match="wavelength"):
        Beam(0, 1.4, 1.518, 1.518)
    with pytest.raises(KernelError, match="needs the illumination"):
        Microscope("confocal", OIL)
    with pytest.raises(KernelError, match="needs the emitted light"):
        Microscope("widefield")
    with pytest.raises(KernelError, match="light sheet"):
        Microscope("light-sheet", OIL)
    with pytest.raises(KernelError, match="pinhole"):
        Microscope("confocal", OIL, BLUE, pinhole=0)
    with pytest.raises(KernelError, match="pixel size"):
        microscope_kernel(Microscope("widefield", OIL), 0)
    with pytest.raises(KernelError, match="cannot be computed"):
        microscope_kernel(Microscope("widefield", OIL), 0.1, 0.1, size=9999, planes=99)
