"""The curve of sRGB against its standard."""

import numpy as np
import pytest
import torch

from unblur.numerics.tone_curve import decode_light, decoding_slope, encode_light, stored_values


def test_light_is_that_of_the_standard():
    """Values of IEC 61966-2-1, by its formula in float64."""
    stored = np.linspace(0, 1, 256)
    expected = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in stored]
    np.testing.assert_allclose(decode_light(stored), expected, atol=1e-7)


@pytest.mark.parametrize(("dtype", "white"), [(np.uint8, 255), (np.uint16, 65535)])
def test_every_stored_value_comes_back(dtype, white):
    stored = np.arange(white + 1, dtype=dtype)
    light = decode_light(stored.astype(np.float32) / np.float32(white))
    assert light.dtype == np.float32
    np.testing.assert_array_equal(np.rint(encode_light(light) * white).astype(dtype), stored)


def test_values_beyond_black_and_white_come_back():
    values = np.linspace(-0.5, 3, 101)
    np.testing.assert_allclose(encode_light(decode_light(values)), values, atol=1e-12)


@pytest.mark.parametrize("value", [0.01, 0.3, 0.9])
def test_the_slope_is_the_derivative(value):
    pair = decode_light(np.array([value - 1e-6, value + 1e-6]))
    assert decoding_slope(value) == pytest.approx(float(np.diff(pair)[0]) / 2e-6, rel=1e-5)


def test_tensors_are_stored_as_arrays_are():
    light = torch.linspace(-0.1, 2, 101, dtype=torch.float64)
    np.testing.assert_allclose(stored_values(light, "srgb"), encode_light(light.numpy()))
    assert stored_values(light, "none") is light
