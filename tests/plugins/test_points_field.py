"""A PSF that changes over the field, from its stars."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
import torch
from scipy.ndimage import shift

from unblur import deblur
from unblur.errors import ImageError
from unblur.model.context import Context
from unblur.model.stages import ImageWindow
from unblur.numerics.filter_flow import kernel_at
from unblur.testing import star_field
from unblur_classic.point_sources.estimator import Points
from unblur_classic.point_sources.field.component_fit import (
    GROWTH,
    PENALTY,
    fit_components,
    roughness_penalty,
)
from unblur_classic.point_sources.field.field_model import polynomials
from unblur_classic.point_sources.point_samples import PointSamples
from unblur_classic.point_sources.stacking import PsfStacker
from unblur_classic.point_sources.star_shapes import like_the_others, second_moments
from unblur_classic.point_sources.wings import Wings

CONTEXT = Context()
FIELD = star_field(224, 70, fluxes=(2e4, 3e5), distance=20)


def unit(image):
    return torch.tensor(image / image.max(), dtype=torch.float32)[None]


def error_of(field, truth, at):
    """Mean distance of the kernels from the true ones, as a fraction of their sum."""
    errors = []
    for row, column in at:
        found = kernel_at(field, row, column).weights.astype(float)
        true = truth.psf(row, column, 40)
        pad = [((81 - n) // 2,) * 2 for n in found.shape]
        errors.append(np.abs(np.pad(found, pad) - true).sum())
    return float(np.mean(errors))


CORNERS = [(30, 30), (30, 190), (110, 110), (190, 30), (190, 190)]


@pytest.fixture(scope="module")
def found():
    return Points().estimate(unit(FIELD.image), CONTEXT)


def test_the_field_follows_the_psf_where_one_kernel_does_not(found):
    single = Points(degree=0).estimate(unit(FIELD.image), CONTEXT)
    assert single.field.is_uniform
    assert not found.field.is_uniform
    assert error_of(found.field, FIELD, CORNERS) < 0.5 * error_of(single.field, FIELD, CORNERS)


def test_the_report_gives_degree_numbers_and_error(found):
    name, points = found.choices
    assert name == "polynomial PSF of degree 3"
    assert "degree 0 to" in found.choices[name]
    assert "averaged of" in found.choices[points]
    assert "standard deviation of the mean PSF" in found.choices[points]


def test_the_wings_hold_their_share_of_the_flux(found):
    for row, column in CORNERS:
        kernel = kernel_at(found.field, row, column).weights
        half = [n // 2 for n in kernel.shape]
        core = kernel[half[0] - 5 : half[0] + 6, half[1] - 5 : half[1] + 6].sum()
        true = FIELD.psf(row, column, 40)[35:46, 35:46].sum()
        assert core == pytest.approx(true, abs=0.01)


def test_the_share_of_the_wings_changes_over_the_field(found):
    """Else the photometry of stars would depend on where they are."""
    ratios = []
    for row, column in np.ndindex(3, 3):
        row, column = 40 + 72 * row, 40 + 72 * column
        kernel = kernel_at(found.field, row, column).weights
        half = [n // 2 for n in kernel.shape]
        core = kernel[half[0] - 4 : half[0] + 5, half[1] - 4 : half[1] + 5].sum()
        ratios.append(core / FIELD.psf(row, column, 40)[36:45, 36:45].sum())
    assert np.std(ratios) < 0.002  # 0.0011; 0.0045 with the wings of the mean PSF


def test_deblurred_stars_are_photometric_over_the_field(found):
    """Flux in 4 pixels over the truth, with the field and with its mean; sharp stars have 1."""
    clear = [
        n for n, position in enumerate(FIELD.positions)
        if np.sort(np.hypot(*(FIELD.positions - position).T))[1] > 22
        and (position > 20).all() and (position < 203).all() and FIELD.fluxes[n] > 6e4
    ]  # fmt: skip
    rows, columns = np.indices(FIELD.image.shape)
    scatter = []
    for kernel in (found.field, found.field.mean):
        settings = {"background": "map", "iterations": 30, "min_significance": 5}
        settings = {f"richardson-lucy.{key}": value for key, value in settings.items()}
        sharp = deblur(FIELD.image, "richardson-lucy", kernel, device="cpu", **settings).image
        ratios = []
        for row, column in FIELD.positions[clear]:
            distance = np.hypot(rows - row, columns - column)
            sky = np.median(sharp[(distance > 10) & (distance < 16)])
            ratios.append((sharp[distance <= 4] - sky).sum())
        scatter.append(np.std(np.array(ratios) / FIELD.fluxes[clear]))
    assert scatter[0] < 0.8 * scatter[1]  # both with the noise of the photons


def test_a_constant_psf_has_one_kernel():
    steady = star_field(
        160, 30, shape_at=lambda *_: (3.0, 0.1, 0.0), fluxes=(2e4, 3e5), distance=20
    )
    assert Points().estimate(unit(steady.image), CONTEXT).field.is_uniform


def test_windows_of_a_large_image_give_the_same_field(found):
    values = unit(FIELD.image)
    spans = [(slice(0, 112), slice(0, 152)), (slice(112, 224), slice(72, 224))]
    windows = [
        ImageWindow(
            (rows, columns),
            (wide_rows, wide_columns),
            lambda r=wide_rows, c=wide_columns: (values[:, r, c], None),
        )
        for rows, wide_rows in spans
        for columns, wide_columns in spans
    ]
    made = Points().estimate_from_windows(windows, (224, 224), CONTEXT)
    assert made.choices.keys() == found.choices.keys()
    assert error_of(made.field, FIELD, CORNERS) < 1.3 * error_of(found.field, FIELD, CORNERS)
    one = Points().prepare_for_windows()
    assert one.params.degree == 0


def test_further_frames_add_their_points(tmp_path):
    few = [star_field(112, 9, fluxes=(3e4, 3e5), distance=26, seed=s) for s in (1, 2)]
    tifffile.imwrite(tmp_path / "b.tif", few[1].image)
    frames = Points(frames=[str(tmp_path / "b.tif")], degree=1)
    with pytest.raises(ImageError, match=r"degree 3 takes 10 points.*kernel\.frames"):
        Points(degree=3).estimate(unit(few[0].image), CONTEXT)
    both = frames.estimate(unit(few[0].image), CONTEXT)
    alone = Points(degree=0).estimate(unit(few[0].image), CONTEXT)
    number = [int(e.choices["points"].split()[0]) for e in (alone, both)]
    assert number[1] > number[0]
    with pytest.raises(ImageError, match="have one shape"):
        frames.estimate(unit(FIELD.image), CONTEXT)


def test_trailed_and_sharp_sources_are_left_out():
    y, x = np.mgrid[-10:11, -10:11]
    star = np.exp(-(x**2 + y**2) / (2 * 1.5**2))
    windows = np.array([shift(star, (0.1 * (n % 3), 0)) for n in range(12)])
    windows[3] = sum(shift(star, (0, d)) for d in (-3, -1, 1, 3)) / 3
    windows[7] = np.exp(-(x**2 + y**2) / (2 * 0.6**2))
    kept = like_the_others(second_moments(windows, 2.2), np.ones((12, 1)))
    assert np.flatnonzero(~kept).tolist() == [3, 7]


def test_components_of_a_polynomial_are_found_exactly():
    draw = np.random.default_rng(0)
    basis = polynomials(draw.uniform(0, 99, (40, 2)), (100, 100), 2)
    true = draw.standard_normal((6, 3, 4))
    values = np.tensordot(basis, true, 1)
    weights = draw.uniform(0.5, 2, values.shape)
    np.testing.assert_allclose(fit_components(values, weights, basis), true, atol=1e-6)


def test_a_penalty_shrinks_a_component_by_what_its_images_do_not_show():
    basis = np.array([[1.0, 1.0], [1.0, -1.0]] * 4)
    values = basis @ np.array([[5.0], [2.0]])
    made = fit_components(values, np.ones_like(values), basis, np.array([0.0, 8.0]))
    np.testing.assert_allclose(made, [[5.0], [1.0]], rtol=1e-6)
    np.testing.assert_allclose(roughness_penalty(7), PENALTY * GROWTH ** np.array(
        [-np.inf, 0, 0, 1, 1, 1, 2]))  # fmt: skip


def test_the_psf_at_the_corners_is_that_of_a_converged_fit():
    """Fluxes by the mean PSF are too small at the corners, and one fit with them overshoots."""
    draw = np.random.default_rng(0)
    at = draw.uniform(0, 99, (60, 2))
    y, x = np.mgrid[-8:9, -8:9].astype(float)

    def psf(position):
        width = 1.5 + 0.008 * position.sum() / 2
        made = np.exp(-(y**2 + x**2) / (2 * width**2))
        return made / made.sum()

    windows = np.array([1e3 * psf(p) for p in at])
    stack = PsfStacker(windows, np.ones_like(windows, bool))
    stack.solve(CONTEXT)
    stack = stack.continue_with(polynomials(at, (100, 100), 2), CONTEXT)
    for corner in np.array([[0, 0], [99, 99]]):
        found = stack.psf_at(polynomials(corner[None], (100, 100), 2)[0])
        assert np.linalg.norm(found - psf(corner)) < 0.05 * np.linalg.norm(psf(corner))


def test_the_brightest_points_are_taken_in_each_part_of_the_image():
    positions = np.array([(row, column) for row in range(12) for column in range(12)], float)
    order = np.argsort(positions.sum(1), kind="stable")  # the brightest lie in one corner
    windows = np.zeros((144, 3, 3))
    samples = PointSamples(windows, windows == 0, positions[order], 144, {})
    kept = samples.brightest(36).positions
    assert len({(r // 2, c // 2) for r, c in kept.tolist()}) == 36
    assert len(samples.brightest(1000).positions) == 144


def test_wings_are_refused_where_no_moffat_function_fits():
    y, x = np.mgrid[-8:9, -8:9]
    ring = np.where(np.abs(np.hypot(x, y) - 6) < 1.5, 1.0, 0.0)
    assert Wings.fit(ring / ring.sum(), np.full(ring.shape, 1e-5)) is None
