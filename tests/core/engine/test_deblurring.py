"""One call on images of every kind: values, types, axes, masks and what is said about them."""

import json

import numpy as np
import pytest
from engine_stages import Box, blur

from unblur.engine import deblur
from unblur.errors import ImageError, KernelError, UsageError
from unblur.model.image import Image
from unblur.model.kernel import Kernel

RNG = np.random.default_rng(0)


def sharpened(y, k=3):
    """Van Cittert's iteration of the test stage `sharpen`, from scipy, in float64."""
    from scipy.ndimage import uniform_filter

    x = y.astype(float)
    for _ in range(2):
        x = x + y - uniform_filter(x, k, mode="nearest")
    return x


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "u4", "f4", "f8", ">i2", ">f4", "f2"])
def test_keeps_dtype_and_units(pipeline, box, dtype):
    y = (RNG.random((20, 24)) * 100 + 50).astype(dtype)
    made = deblur(y, pipeline("deconvolve:sharpen"), box).image
    assert made.dtype == np.dtype(dtype)
    expected = sharpened(y.astype(float))
    if np.dtype(dtype).kind in "ui":
        expected = np.clip(expected, np.iinfo(dtype).min, np.iinfo(dtype).max)
    tolerance = {"i": 0.51, "u": 0.51}.get(np.dtype(dtype).kind, 1e-3)
    tolerance = 0.3 if dtype == "f2" else tolerance
    np.testing.assert_allclose(made.astype(float), expected, atol=tolerance)


def test_integers_clip_only_at_the_end(pipeline, box):
    y = np.zeros((16, 16), np.uint8)
    y[8, 8] = 250
    made = deblur(y, pipeline("deconvolve:sharpen"), box, saturated="keep").image
    assert made[8, 8] == 255
    assert made.min() == 0


def test_values_below_zero_survive(pipeline, box):
    y = RNG.normal(0, 5, (24, 24)).astype(np.float32) + 100 * (RNG.random((24, 24)) > 0.95)
    made = deblur(y, pipeline("deconvolve:sharpen"), box)
    np.testing.assert_allclose(made.image, sharpened(y.astype(float)), atol=1e-3)
    assert made.report.scale.black < 0


def test_a_sentinel_does_not_set_the_scale(pipeline, box):
    y = RNG.normal(0, 5, (64, 64)).astype(np.float32)
    y[0, 0] = -99999
    scale = deblur(y, pipeline("deconvolve:sharpen"), box).report.scale
    assert -200 < scale.black < 0


def test_few_bits_are_stretched_and_restored(pipeline, box):
    y = (RNG.random((20, 20)) * 900).astype(np.uint16)
    result = deblur(y, pipeline("deconvolve:sharpen"), box)
    assert result.report.scale.white == 1023
    expected = np.clip(sharpened(y.astype(float)), 0, None)
    np.testing.assert_allclose(result.image, expected, atol=0.51)


def test_nan_is_masked_and_stays(pipeline, box):
    y = np.full((16, 16), 0.5, np.float32)
    y[4, 5], y[9, 9] = np.nan, np.inf
    result = deblur(y, pipeline("deconvolve:sharpen"), box)
    assert np.isnan(result.image[4, 5])
    assert np.isposinf(result.image[9, 9])
    rest = np.isfinite(y)
    np.testing.assert_allclose(result.image[rest], 0.5, atol=1e-6)
    assert result.report.mask.nonfinite == 2


def test_nan_can_be_filled(pipeline, box):
    y = np.full((16, 16), 0.5, np.float32)
    y[4, 5] = np.nan
    made = deblur(y, pipeline("deconvolve:sharpen"), box, nonfinite="fill").image
    np.testing.assert_allclose(made, 0.5, atol=1e-6)


def test_the_mask_reaches_the_stages(pipeline):
    y = RNG.random((20, 20)).astype(np.float32)
    y[:2] = np.nan
    deblur(y, pipeline("kernel:box", "deconvolve:sharpen"))
    assert Box.seen == [((1, 20, 20), pytest.approx(0.9))]


@pytest.mark.parametrize(
    ("share", "policy", "masked"),
    [(0.01, "auto", True), (0.5, "auto", False), (0.5, "mask", True), (0.01, "keep", False)],
)
def test_saturated_pixels(pipeline, box, share, policy, masked):
    y = np.full((100, 100), 77, np.uint8)
    y.flat[: int(share * y.size)] = 255
    report = deblur(y, pipeline("deconvolve:sharpen"), box, saturated=policy).report
    assert report.mask.saturated_masked is masked
    assert report.mask.saturated_share == pytest.approx(share)


def test_alpha_is_untouched(pipeline, box):
    data = (RNG.random((4, 16, 16)) * 255).astype(np.uint8)
    data[3] |= 1
    names = ("red", "green", "blue", "alpha")
    made = deblur(Image(data, "CYX", channels=names), pipeline("deconvolve:sharpen"), box).image
    assert isinstance(made, Image)
    assert np.array_equal(made.data[3], data[3])
    for c in range(3):
        expected = np.clip(sharpened(data[c].astype(float)), 0, 255)
        np.testing.assert_allclose(made.data[c], expected, atol=0.51)


@pytest.mark.parametrize(
    ("axes", "shape"),
    [
        ("YX", (12, 13)),
        ("CYX", (2, 12, 13)),
        ("ZYX", (3, 12, 13)),
        ("TYX", (3, 12, 13)),
        ("TCZYX", (2, 2, 3, 12, 13)),
        ("YXC", (12, 13, 3)),
        ("XYZ", (13, 12, 4)),
    ],
)
def test_any_axes_plane_by_plane(pipeline, box, axes, shape):
    y = RNG.random(shape).astype(np.float32)
    made = deblur(y, pipeline("deconvolve:sharpen"), box, axes=axes).image
    assert made.shape == y.shape
    order = [axes.index(a) for a in "TCZYX" if a in axes]
    planes = y.transpose(order).reshape(-1, 12, 13)
    got = made.transpose(order).reshape(-1, 12, 13)
    for plane, result in zip(planes, got, strict=True):
        np.testing.assert_allclose(result, sharpened(plane.astype(float)), atol=1e-5)


def test_a_3d_kernel_works_on_volumes(pipeline):
    sharp = np.zeros((16, 20, 18))
    sharp[5:9, 6:14, 4:12] = 1
    kernel = np.zeros((3, 3, 3))
    kernel[1, 1, 1], kernel[0, 1, 1], kernel[1, 2, 1] = 0.6, 0.2, 0.2
    y = blur(sharp, kernel).astype(np.float32)
    made = deblur(y, pipeline("deconvolve:inverse"), kernel, axes="ZYX").image
    assert np.abs(made - sharp).mean() < 0.1 * np.abs(y - sharp).mean()


def test_the_kernel_comes_from_the_most_textured_plane(pipeline):
    y = np.full((5, 16, 16), 0.5, np.float32)
    y[3, 4:12, 4:12] = 1
    report = deblur(y, pipeline("kernel:box", "deconvolve:sharpen"), axes="ZYX").report
    assert report.kernel.region == "plane 3"
    assert report.kernel.origin == "box"


def test_a_given_kernel_spares_the_kernel_step(pipeline, box):
    y = RNG.random((16, 16)).astype(np.float32)
    result = deblur(y, pipeline("kernel:box", "deconvolve:sharpen"), Kernel(box))
    assert Box.seen == []
    assert result.report.kernel.origin == "given"


def test_without_deconvolution_the_latent_image_is_the_result(pipeline):
    y = RNG.random((2, 16, 16)).astype(np.float32)
    made = deblur(y, pipeline("kernel:box"), axes="TYX").image
    np.testing.assert_allclose(made, y / 2, atol=1e-6)


def test_overrides_reach_params(pipeline, box):
    y = RNG.random((16, 16)).astype(np.float32)
    with pytest.raises(UsageError, match="no param 'strength'"):
        deblur(y, pipeline("deconvolve:sharpen"), box, deconvolve__strength=2)


def test_the_report_is_json_and_deterministic(pipeline, box):
    y = RNG.random((16, 16)).astype(np.float32)
    first, second = (deblur(y, pipeline("deconvolve:sharpen"), box).report for _ in range(2))
    assert first.fingerprint() == second.fingerprint()
    other = deblur(y + 0.01, pipeline("deconvolve:sharpen"), box).report
    assert other.fingerprint() != first.fingerprint()
    content = json.loads(first.to_json())
    assert content["steps"][0]["name"] == "sharpen"
    assert content["input"]["shape"] == [16, 16]


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        (["postprocess:spoil"], "NaN"),
        (["postprocess:zero"], "nothing but zeros"),
        (["deconvolve:lazy"], "unchanged"),
    ],
)
def test_a_result_that_looks_wrong_is_said_so(pipeline, box, steps, words):
    y = RNG.random((16, 16)).astype(np.float32)
    result = deblur(y, pipeline(*steps), box if "deconvolve" in steps[0] else None)
    assert any(words in warning for warning in result.report.warnings)
    assert np.isfinite(result.image).all()


@pytest.mark.parametrize("offset", [1e6, 1e9])
def test_a_large_offset_of_floats_takes_nothing_from_the_signal(pipeline, box, offset):
    y = 2 * RNG.random((16, 20))
    known = pipeline("deconvolve:sharpen")
    moved = deblur(y + offset, known, box).image - offset
    np.testing.assert_allclose(moved, deblur(y, known, box).image, atol=1e-5)


def test_refusals(pipeline, box):
    y = RNG.random((16, 16)).astype(np.float32)
    known = pipeline("deconvolve:sharpen")
    with pytest.raises(UsageError, match="needs the blur kernel"):
        deblur(y, known)
    with pytest.raises(ImageError, match="single pixel"):
        deblur(np.ones((1, 1)), known, box)
    with pytest.raises(ImageError, match="NaN"):
        deblur(np.full((9, 9), np.nan), known, box)
    with pytest.raises(ImageError, match="complex"):
        deblur(np.ones((9, 9), complex), known, box)
    with pytest.raises(ImageError, match="empty"):
        deblur(np.ones((0, 9)), known, box)
    with pytest.raises(KernelError, match="larger than the image"):
        deblur(y, known, np.ones((17, 3)))
    with pytest.raises(KernelError, match=r"along Z, .* none \(axes YX\); .* in focus\.$"):
        deblur(y, known, np.ones((3, 3, 3)))
    with pytest.raises(KernelError, match="if the 4 along T are planes, pass --axes ZYX"):
        deblur(np.ones((4, 9, 9)), known, np.ones((3, 3, 3)), axes="TYX")
    with pytest.raises(KernelError, match="works in 2-D"):
        deblur(np.ones((4, 9, 9)), known, np.ones((3, 3, 3)), axes="ZYX")
    with pytest.raises(UsageError, match="axes"):
        deblur(np.ones((3, 9, 9)), known, box)
    with pytest.raises(ImageError, match="equal"):
        deblur(np.ones((9, 9)), pipeline("kernel:box", "deconvolve:sharpen"))
    with pytest.raises(UsageError, match="cannot use a given kernel"):
        deblur(y, pipeline("kernel:box"), box)
    with pytest.raises(UsageError, match=r"got a dict; make one .* unblur\.Pipeline\(\*\*given\)"):
        deblur(y, {"steps": [{"deconvolve": "sharpen"}]}, box)


def test_a_blank_image_that_stays_as_it_is_is_no_warning(pipeline, box):
    planes = np.stack([RNG.random((20, 30)), np.full((20, 30), 0.5)])
    report = deblur(planes, pipeline("deconvolve:sharpen"), box, axes="TYX").report
    assert report.warnings == ()
    report = deblur(planes[0], pipeline("deconvolve:lazy"), box).report
    assert any("returned its input unchanged" in warning for warning in report.warnings)


@pytest.mark.parametrize("noise", [-0.1, float("nan"), float("inf")])
def test_a_noise_that_is_no_deviation_is_refused(pipeline, box, noise):
    with pytest.raises(UsageError, match="noise is a standard deviation, 0 or more"):
        deblur(np.ones((9, 9)), pipeline("deconvolve:sharpen"), box, noise=noise)


def test_an_array_of_four_colours_has_alpha_as_its_file_has(pipeline, box):
    given = (RNG.random((16, 18, 4)) * 255).astype(np.uint8)
    made = deblur(given, pipeline("deconvolve:sharpen"), box, axes="YXC").image
    np.testing.assert_array_equal(made[..., 3], given[..., 3])
    bands = deblur(given.astype(np.float32), pipeline("deconvolve:sharpen"), box, axes="YXC").image
    assert (bands[..., 3] != given[..., 3]).any()


def test_cancelling_stops(pipeline, box):
    from unblur.errors import Cancelled

    with pytest.raises(Cancelled):
        deblur(np.ones((9, 9)), pipeline("deconvolve:sharpen"), box, is_cancelled=lambda: True)
