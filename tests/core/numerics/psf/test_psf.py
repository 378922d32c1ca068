from __future__ import annotations

import numpy as np
import pytest
import tifffile
from scipy.ndimage import gaussian_filter

from unblur.errors import KernelError
from unblur.model.kernel import Kernel
from unblur.numerics.metrics import kernel_similarity
from unblur.numerics.psf import Diagnostic, repair, validate
from unblur.numerics.synthesis import disk_kernel, gaussian_kernel, widefield_kernel


def spot(shape=(41, 41), sigma=2.0, offset=None):
    """A Gaussian whose centre lies `offset` pixels from index n // 2."""
    centre = np.array([n // 2 for n in shape]) + (0 if offset is None else offset)
    grid = np.indices(shape).T - centre
    return np.exp(-0.5 * ((grid / sigma) ** 2).sum(-1)).T


def finding(findings, what) -> Diagnostic:
    return next(f for f in findings if f.what == what)


def levels(findings):
    return {f.what: f.level for f in findings if f.level != "ok"}


@pytest.mark.parametrize(
    "kernel", [gaussian_kernel(2), gaussian_kernel((1.5, 2, 2)), Kernel(spot((25, 31)))]
)
def test_a_good_psf_is_healthy(kernel):
    found = validate(kernel, [100] * kernel.ndim)
    assert set(levels(found)) <= {"border"}
    assert kernel_similarity(repair(kernel), kernel) > 0.9999


def test_every_finding_but_the_good_ones_says_what_is_done():
    worst = spot((40, 40), offset=(5, -3)) * 1000 + 100
    worst[3, 3] = np.nan
    worst[10, 10] = -5
    for found in validate(worst, (30, 30), image_pixel_size={"Y": 1.0, "X": 1.0}):
        assert found.detail.endswith((".", "?"))
        assert found.level == "ok" or found.repair


def test_pedestal_is_measured_and_subtracted():
    rng = np.random.default_rng(0)
    measured = 1000 * spot() + 100 + 2 * rng.standard_normal((41, 41))
    found = validate(measured)
    assert finding(found, "background").level == "warning"
    assert "87% of its sum" in finding(found, "background").detail
    assert kernel_similarity(repair(measured), spot()) > 0.999
    assert float(repair(measured).weights.max()) == pytest.approx(1 / spot().sum(), rel=0.03)


def test_faint_tails_are_no_pedestal():
    kernel = widefield_kernel(0.5, 1.2, (0.2, 0.1, 0.1), (31, 41, 41), index=1.5)
    found = levels(validate(kernel))
    assert "background" not in found
    assert "noise" not in found


@pytest.mark.parametrize("kernel", [np.ones((5, 5)), np.ones((1, 11)), np.eye(9), np.ones((1, 1))])
def test_a_kernel_that_fills_its_support_has_no_pedestal(kernel):
    assert finding(validate(kernel), "background").level == "ok"
    assert repair(kernel).weights == pytest.approx(kernel / kernel.sum())


def test_what_is_not_a_number_and_negatives_are_errors_and_mended():
    broken = spot()
    broken[0, 5] = np.nan
    broken[1, :4] = -0.01
    found = levels(validate(broken))
    assert found["values"] == found["negatives"] == "error"
    assert kernel_similarity(repair(broken), spot()) > 0.9999


def test_sum_is_noted_and_scaled():
    found = validate(7 * spot())
    assert finding(found, "sum").level == "note"
    assert repair(7 * spot()).weights.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("offset", "level"), [((0.05, 0), "ok"), ((0.3, 0.2), "note"), ((-4, 6), "warning")]
)
def test_centre_is_found_and_moved_to_the_nearest_pixel(offset, level):
    psf = spot(offset=offset)
    assert finding(validate(psf), "centre").level == level
    mended = repair(psf)
    assert all(n % 2 == 1 for n in mended.shape)
    left = [
        float((g * mended.weights).sum()) - n // 2
        for g, n in zip(np.indices(mended.shape), mended.shape, strict=True)
    ]
    assert np.abs(left).max() <= 0.5
    assert left == pytest.approx([o - round(o) for o in offset], abs=1e-3)


def test_nothing_is_lost_when_a_psf_near_the_border_is_centred():
    psf = np.zeros((21, 21))
    psf[0:3, 9:12] = 1
    assert finding(validate(psf), "centre").level == "warning"
    assert repair(psf).weights == pytest.approx(np.full((3, 3), 1 / 9))


@pytest.mark.parametrize("shape", [(33, 40), (16, 20, 21)])
def test_fourier_order_is_recognised(shape):
    psf = spot(shape)
    assert "order" not in levels(validate(psf))
    assert levels(validate(np.fft.ifftshift(psf)))["order"] == "error"
    assert kernel_similarity(repair(np.fft.ifftshift(psf)), psf) > 0.9999


def test_levin_kernels_are_in_order_and_keep_their_shape(shared):
    for file in sorted((shared / "data/levin09/kernels_f32").glob("*.tif")):
        kernel = tifffile.imread(file)
        assert not {"order", "background", "noise"} & set(levels(validate(kernel)))
        assert kernel_similarity(repair(kernel), kernel) > 0.9999


def test_parity_truncation_emptiness_and_saturation_are_seen():
    assert levels(validate(spot((40, 41))))["parity"] == "note"
    assert levels(validate(spot((9, 9), 4)))["tails"] == "warning"
    assert levels(validate(spot((81, 81))))["border"] == "note"
    assert repair(spot((81, 81))).shape == (17, 17)
    clipped = np.clip(400 * spot(), 0, 255).astype(np.uint8)
    assert levels(validate(clipped))["peak"] == "warning"
    assert levels(validate(disk_kernel(4)))["peak"] == "note"


def test_size_is_held_against_the_image():
    psf = spot((61, 61), 6)
    assert levels(validate(psf, (50, 50)))["size"] == "error"
    assert levels(validate(psf, (100, 200)))["size"] == "note"
    assert finding(validate(psf, (200, 200)), "size").level == "ok"
    assert repair(psf, (50, 50)).shape == (49, 49)
    assert levels(validate(psf, (10, 50, 50)))["size"] == "error"
    with pytest.raises(KernelError, match="plane in focus"):
        repair(psf, (10, 50, 50))


@pytest.mark.parametrize("ratio", [0.5, 1.6])
def test_pixel_size_is_compared_and_the_psf_resampled(ratio):
    sizes = {"pixel_size": {"Y": ratio, "X": 1.0}, "image_pixel_size": {"Y": 1.0, "X": 1.0}}
    psf = gaussian_kernel((3 / ratio, 3)).weights
    assert levels(validate(psf, **sizes))["pixel size"] == "error"
    assert kernel_similarity(repair(psf, **sizes), gaussian_kernel(3)) > 0.999
    same = {"pixel_size": {"Y": 1.0, "X": 1.0}, "image_pixel_size": {"Y": 1.0, "X": 1.002}}
    assert finding(validate(psf, **same), "pixel size").level == "ok"
    unknown = validate(psf, image_pixel_size={"Y": 1.0, "X": 1.0})
    assert "PSF does not state" in finding(unknown, "pixel size").detail
    unstated = validate(psf, pixel_size={"Y": 1.0, "X": 1.0}, image_pixel_size={})
    assert "image does not state" in finding(unstated, "pixel size").detail
    alone = validate(psf, pixel_size={"Y": 0.1, "X": 0.1}, units={"Y": "µm", "X": "µm"})
    assert finding(alone, "pixel size").level == "ok"
    assert "0.1 µm; no image" in finding(alone, "pixel size").detail


def test_a_measured_psf_is_cut_out_of_its_noise(shared):
    measured = tifffile.imread(shared / "data/microscopy/lightsheet_psf/psf_measured.tif")
    found = levels(validate(measured))
    assert found["background"] == "warning"
    assert found["noise"] == "note"
    mended = repair(measured)
    assert max(mended.shape) < 61
    after = levels(validate(mended))
    assert set(after) <= {"centre", "peak", "tails"}
    smooth = gaussian_filter(measured - 143.0, 1)
    assert kernel_similarity(mended, np.clip(smooth, 0, None) * (smooth > 100)) > 0.95


@pytest.mark.parametrize(
    ("psf", "says"),
    [
        (np.zeros((5, 5)), "All samples are 0"),
        (np.full((5, 5), np.nan), "finite"),
        (np.ones((5, 5), complex), "real numbers"),
        (np.ones(5), "2 or 3 axes"),
        (np.ones((2, 3, 4, 5)), "2 or 3 axes"),
    ],
)
def test_what_is_no_psf_is_one_error(psf, says):
    (only,) = validate(psf)
    assert only.level == "error"
    assert says in only.detail
    with pytest.raises(KernelError):
        repair(psf)


def test_leading_axes_of_one_sample_are_dropped():
    assert repair(spot()[None, None]).ndim == 2
