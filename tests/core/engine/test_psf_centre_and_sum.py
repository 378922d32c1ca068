"""A given PSF off its centre, of another sum than 1, or with negative samples."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile
from psf_runs_for_tests import run, star_image
from scipy.ndimage import shift

from unblur.errors import KernelError
from unblur.io import read_kernel, write_kernel
from unblur.model.kernel import Kernel, KernelField
from unblur.numerics.metrics import kernel_similarity
from unblur.numerics.psf.image_fit import fit_psf
from unblur.numerics.synthesis import gaussian_kernel

RNG = np.random.default_rng(8)


@pytest.fixture(autouse=True)
def stages():
    """Leave the installed stages in place."""


@pytest.mark.parametrize("offset", [(3, -2), (0, 5), (-7, 0)])
def test_the_shift_of_a_psf_is_undone_with_a_warning(offset):
    centred = np.pad(gaussian_kernel(1.5, size=11).weights, 8)
    # Where negative values are clipped, the radius is that of the kernel's array.
    unclipped = {"clip.low": "none"}
    expected = run(star_image(), centred, **unclipped)
    found = run(star_image(), shift(centred, offset, order=0), **unclipped)
    (warning,) = found.report.warnings
    assert f"({offset[0]:+.1f}, {offset[1]:+.1f}) pixels" in warning
    assert "undone" in warning
    np.testing.assert_allclose(found.image.data, expected.image.data, atol=0.05)
    assert found.kernel.mean.weights.sum() == pytest.approx(1, abs=1e-5)


def test_nothing_of_a_psf_is_lost_when_it_is_moved():
    psf = np.zeros((9, 9))
    psf[0:3, 3:6] = RNG.random((3, 3)) + 1
    kernel = run(star_image(), psf).kernel.mean
    np.testing.assert_allclose(kernel.weights, psf[0:3, 3:6] / psf.sum(), rtol=1e-6)


@pytest.mark.parametrize("size", [9, 10])
def test_half_a_pixel_is_left_alone(size):
    grid = np.arange(size) - (size - 1) / 2
    psf = np.exp(-(grid[:, None] ** 2 + grid**2) / 4)
    found = run(star_image(), psf / psf.sum())
    assert found.report.warnings == ()
    assert found.kernel.mean.shape == (size, size)


def test_fourier_order_is_undone():
    psf = np.pad(gaussian_kernel(1.5, size=11).weights, 5)
    expected = run(star_image(), psf)
    found = run(star_image(), np.fft.ifftshift(psf))
    assert "index 0" in found.report.warnings[0]
    np.testing.assert_array_equal(found.image.data, expected.image.data)


def test_two_distant_points_are_not_in_fourier_order():
    psf = np.zeros((11, 11))
    psf[0, 0] = psf[-1, -1] = 0.5
    found = run(star_image(), psf)
    assert found.report.warnings == ()
    np.testing.assert_allclose(found.kernel.mean.weights, psf)


def test_a_psf_that_keeps_its_offset_is_used_as_it_is(tmp_path):
    psf = Kernel(np.eye(9, k=4))
    kept = KernelField.single(psf, keeps_offset=True)
    found = run(star_image(), kept)
    assert found.report.warnings == ()
    np.testing.assert_array_equal(found.kernel.mean.weights, psf.weights)
    write_kernel(found.kernel, tmp_path / "used.tif")
    again = run(star_image(), read_kernel(tmp_path / "used.tif"))
    np.testing.assert_array_equal(again.image.data, found.image.data)


def test_the_kernels_of_a_field_are_moved_together():
    box = np.pad(np.full((3, 3), 1 / 9), 6)
    row = tuple(Kernel(np.roll(box, (4, step), (0, 1))) for step in (-1, 0, 1))
    fitted, (warning,) = fit_psf(KernelField((row,), (20.0,), (5.0, 25.0, 45.0)), star_image())
    assert "undone" in warning
    middles = [
        np.argwhere(k.weights > 0).mean(0) - np.array(k.shape) // 2 for k in fitted.kernels[0]
    ]
    np.testing.assert_allclose(middles, [(0, -1), (0, 0), (0, 1)])


@pytest.mark.parametrize(
    ("scale", "says"), [(1, ()), (0.97, ()), (0.5, ("0.5",)), (37, ("37",))]
)  # fmt: skip
def test_an_odd_sum_of_a_float_psf_is_a_warning(scale, says):
    psf = gaussian_kernel(1.5).weights * np.float64(scale)
    found = run(star_image(), psf)
    assert [f"sum to {text}" in w for w, text in zip(found.report.warnings, says, strict=True)] == [
        True for _ in says
    ]


def test_counts_may_have_any_sum():
    psf = (gaussian_kernel(1.5).weights * 60000).astype(np.uint16)
    assert run(star_image(), psf).report.warnings == ()


def test_small_negatives_are_clipped_with_a_note_and_large_ones_refused():
    psf = gaussian_kernel(1.5, size=11).weights.astype(np.float64)
    psf[0, :3] = -5e-4 * psf.max()
    (warning,) = run(star_image(), psf).report.warnings
    assert "3 samples are negative" in warning
    assert "set to 0" in warning
    psf[0, :3] *= 4
    with pytest.raises(KernelError, match="psf check"):
        run(star_image(), psf)


def test_a_pedestal_is_a_warning():
    psf = gaussian_kernel(1.5, size=21).weights + 0.01
    assert any("constant background" in w for w in run(star_image(), psf).report.warnings)


def test_a_coloured_psf_is_a_warning(tmp_path):
    rgb = np.stack([gaussian_kernel(s, size=11).weights * 9000 for s in (1.4, 1.5, 1.6)], -1)
    tifffile.imwrite(tmp_path / "psf.tif", rgb.astype(np.uint16), photometric="rgb")
    found = run(star_image(), read_kernel(tmp_path / "psf.tif"))
    (warning,) = found.report.warnings
    assert "red, green, blue" in warning
    assert kernel_similarity(found.kernel.mean, gaussian_kernel(1.5)) > 0.99
