"""Frames of one value that were added to a picture after its blur."""

import io

import dask.array as da
import numpy as np
import PIL.Image
import pytest
from scipy.ndimage import gaussian_filter

from unblur.model.image import Image
from unblur.numerics.constant_frame import describe_frame, find_content, frame_mask

RNG = np.random.default_rng(4)
INSIDE = slice(20, 76), slice(0, 90)


def scene(*shape):
    values = gaussian_filter(RNG.random((*shape, 96, 90)), (*(0,) * len(shape), 2, 2))
    return (values - values.min()) / np.ptp(values) * 200 + 30


def framed(values, value=0):
    result = np.full_like(values, value)
    result[..., *INSIDE] = values[..., *INSIDE]
    return result


def content_of(values, **facts):
    return find_content(Image(values, "CYX" if values.ndim == 3 else "YX", **facts))


def test_bars_above_and_below_are_found_in_grey_and_colour():
    for values in (scene(), scene(3)):
        for value in (0, 255, 17):
            assert content_of(framed(values, value).astype(np.uint8)) == INSIDE
    coloured = framed(scene(3).astype(np.uint8)).copy()
    coloured[1][coloured[1] == 0] = 99
    assert content_of(coloured) == INSIDE


def test_edges_of_a_registered_image_are_found():
    sky = RNG.normal(1e5, 300, (60, 70)).astype(np.float32)
    sky[:12], sky[:, -9:] = 0, 0
    assert content_of(sky) == (slice(12, 60), slice(0, 61))
    assert find_content(Image(da.from_array(sky, (16, 16)), "YX")) == (slice(12, 60), slice(0, 61))


def test_alpha_is_no_part_of_the_frame():
    values = np.concatenate([framed(scene(3)), np.full((1, 96, 90), 255)]).astype(np.uint8)
    values[3, 5, 7] = 0
    assert content_of(values, channels=("red", "green", "blue", "alpha")) == INSIDE


def test_bars_in_a_jpeg_have_nearly_one_value():
    raw = io.BytesIO()
    PIL.Image.fromarray(framed(scene()).astype(np.uint8)).save(raw, "JPEG", quality=85)
    values = np.asarray(PIL.Image.open(raw))
    assert len(np.unique(values[:20])) > 1
    assert content_of(values, metadata={"format": "jpeg"}) == INSIDE


def page():
    values = np.full((96, 90), 255.0)
    values[30:60:4, 10:70:3] = 0
    return gaussian_filter(values, 1).astype(np.uint8)


@pytest.mark.parametrize(
    "values",
    [
        scene(),
        page(),
        np.zeros((96, 90)),
        np.full((3, 96, 90), 7.0),
        gaussian_filter(framed(np.full((96, 90), 99.0)), 3).astype(np.float32),
        np.pad(np.full((8, 8), 50.0), 12),
        np.full((96, 90), np.nan),
        np.arange(96.0)[:, None] * np.ones(90),
        np.zeros((3, 90)),
        np.where(np.arange(96) < 1, 255, 77)[:, None] * np.ones((1, 90), int),
    ],
    ids=["scene", "page", "zeros", "colour", "blurred", "points", "nan", "ramp", "thin", "rows"],
)
def test_other_constant_borders_are_none(values):
    assert content_of(values) is None


def test_a_stack_has_no_frame():
    assert find_content(Image(np.stack([framed(scene())] * 2), "TYX")) is None


def test_a_vast_image_is_not_read():
    def refuse(block):
        raise AssertionError("a chunk was read")

    zeros = da.zeros((2**14, 2**13), chunks=1024, dtype=np.uint8)
    vast = zeros.map_blocks(refuse, dtype=np.uint8, meta=np.zeros((0, 0), np.uint8))
    assert find_content(Image(vast, "YX", white=255.0)) is None


def test_the_mask_of_a_block_is_that_of_its_place():
    whole = frame_mask(INSIDE, (96, 90), (0, 0))
    assert whole.sum() == 40 * 90
    np.testing.assert_array_equal(frame_mask(INSIDE, (3, 30, 40), (10, 50)), whole[10:40, 50:90])
    assert frame_mask(INSIDE, (30, 40), (30, 0)) is None
    assert "rows 20 to 75" in describe_frame(INSIDE, Image(scene(), "YX"))
