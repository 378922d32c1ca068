"""Images that store light through a tone curve: the steps see light, results are stored values."""

import struct

import numpy as np
import pytest
import torch

from unblur.engine import deblur
from unblur.engine.job import DeblurJob
from unblur.model.context import Context
from unblur.model.image import Image
from unblur.model.tone_curve_choice import choose_tone_curve, is_linear_profile
from unblur.numerics.synthesis import blur_image, motion_kernel
from unblur.numerics.tone_curve import decode_light, encode_light
from unblur.pipeline import Pipeline

POINT = np.zeros((3, 3))
POINT[1, 1] = 1
RNG = np.random.default_rng(3)


def steps(curve, name="inverse"):
    return Pipeline(summary="A test.", steps=[{"deconvolve": name}], tone_curve=curve)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_values_that_no_step_changes_come_back(dtype):
    values = RNG.integers(0, np.iinfo(dtype).max, (16, 16), endpoint=True).astype(dtype)
    job = DeblurJob.of(Image(values, "YX"), steps("srgb"), POINT, Context())
    normalization = job.processor.normalization
    light = normalization.normalize(values)
    np.testing.assert_allclose(light, decode_light(values / np.iinfo(dtype).max), atol=1e-6)
    np.testing.assert_array_equal(normalization.denormalize(light), values)


def light_blurred():
    """Return a sharp image of 8 bits, the same blurred as light is, and the kernel."""
    coarse = np.random.default_rng(7).integers(10, 240, (16, 16))
    sharp, kernel = np.kron(coarse, np.ones((6, 6))) / 255, motion_kernel(7, 20)
    light = blur_image(torch.from_numpy(decode_light(sharp))[None], kernel, "periodic")[0]
    stored = np.rint(255 * encode_light(light.numpy())).astype(np.uint8)
    return sharp, stored, kernel


def test_edges_are_sharper_as_light():
    sharp, stored, kernel = light_blurred()
    errors = [
        np.sqrt(np.mean((deblur(stored, steps(curve), psf=kernel).image / 255 - sharp) ** 2))
        for curve in ("none", "srgb")
    ]
    assert errors[1] < 0.8 * errors[0]


def test_tiles_equal_the_whole():
    _, stored, kernel = light_blurred()
    whole, tiled = (
        deblur(stored, steps("srgb", "sharpen"), psf=kernel, tiles__size=size).image
        for size in ("auto", 32)
    )
    assert np.abs(whole.astype(int) - tiled).max() <= 1


def test_noise_and_saturation_are_those_of_light():
    values = np.full((32, 32), 128, np.uint8)
    values[8:16, 8:16] = 255
    context = Context(noise=0.01)
    job = DeblurJob.of(Image(values, "YX"), steps("srgb"), POINT, context, saturated="mask")
    assert job.context.saturation_level == 1.0
    mean = values.mean() / 255
    slope = float(np.diff(decode_light(np.array([mean - 1e-4, mean + 1e-4])))[0]) / 2e-4
    assert job.context.noise == pytest.approx(0.01 * slope, rel=0.2)
    assert job.context.tone_curve == "srgb"


def test_the_report_states_the_curve():
    _, stored, kernel = light_blurred()
    assert deblur(stored, steps("auto"), psf=kernel).report.scale.tone_curve == "srgb"
    assert deblur(stored / 255, steps("auto"), psf=kernel).report.scale.tone_curve == "none"
    changed = deblur(stored, steps("auto"), psf=kernel, tone_curve="none")
    assert changed.report.scale.tone_curve == "none"


def test_previews_are_stored_values():
    seen = []
    values = np.full((24, 24), 128, np.uint8)
    values[::3] = 200
    context = Context(on_progress=seen.append)
    job = DeblurJob.of(Image(values, "YX"), steps("srgb"), POINT, context)
    tick = job.context.ticker("test", 1)
    tick(preview=torch.from_numpy(job.processor.normalization.normalize(values))[None])
    np.testing.assert_allclose(np.asarray(seen[-1].preview)[0] * 255, values, atol=1e-3)


def profile(curve):
    """Return an ICC profile whose only tag is the curve of grey."""
    table = struct.pack(">I4sII", 1, b"kTRC", 144, len(curve))
    return bytes(128) + table + curve


LINEAR = profile(struct.pack(">4s4xI", b"curv", 0))
PHOTOGRAPH = np.zeros((8, 8), np.uint8)


@pytest.mark.parametrize(
    ("image", "curve"),
    [
        (Image(PHOTOGRAPH, "YX"), "srgb"),
        (Image(np.zeros((3, 8, 8), np.uint16), "CYX"), "srgb"),
        (Image(np.zeros((8, 8), np.uint16), "YX"), "none"),
        (Image(np.zeros((4, 8, 8), np.uint8), "ZYX"), "none"),
        (Image(np.zeros((8, 8), np.float32), "YX"), "none"),
        (Image(PHOTOGRAPH, "YX", metadata={"icc": LINEAR}), "none"),
        (Image(PHOTOGRAPH, "YX", pixel_size={"Y": 0.1}, units={"Y": "µm"}), "none"),
    ],
)
def test_auto_is_srgb_for_photographs(image, curve):
    assert choose_tone_curve("auto", image) == curve
    assert choose_tone_curve("srgb", image) == "srgb"


def test_linear_profiles_are_told_from_others():
    assert is_linear_profile(LINEAR)
    assert is_linear_profile(profile(struct.pack(">4s4xIH", b"curv", 1, 256)))
    assert is_linear_profile(profile(struct.pack(">4s4xHHI", b"para", 0, 0, 1 << 16)))
    assert not is_linear_profile(profile(struct.pack(">4s4xIH", b"curv", 1, 563)))
    assert not is_linear_profile(profile(struct.pack(">4s4xHHI", b"para", 0, 0, 144179)))
    assert not is_linear_profile(LINEAR[:140])
    assert not is_linear_profile(b"no profile")
    assert not is_linear_profile(None)
