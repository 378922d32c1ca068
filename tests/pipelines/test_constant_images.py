"""An image of one value is the blur of itself alone: every method leaves it as it is."""

import numpy as np
import pytest

import unblur
from unblur.model.image import Image
from unblur.testing import gaussian


@pytest.mark.parametrize("tile", [None, 32], ids=["whole", "tiles"])
@pytest.mark.parametrize("name", ["svmap", "plug-and-play", "hyper-laplacian", "tv", "wiener"])
@pytest.mark.parametrize(("value", "dtype"), [(255, np.uint8), (40000, np.uint16), (1.0, "f4")])
def test_an_image_of_one_value_stays_what_it_is(name, value, dtype, tile):
    image = Image(np.full((48, 56), value, dtype), "YX", white=value if dtype == "f4" else 0.0)
    pipeline = unblur.Pipeline.load(name)
    if tile:
        pipeline = pipeline.override({"tiles.size": tile})
    made = unblur.deblur(image, pipeline, gaussian((7, 7), 1.2)).image
    np.testing.assert_array_equal(made.data, image.data)


def test_a_plane_of_one_value_within_an_image_that_has_others_may_move_a_little():
    """All planes share noise and contrast, so such a plane is deblurred like the others."""
    values = np.stack([np.full((48, 56), 255, np.uint8), np.eye(48, 56, dtype=np.uint8) * 200])
    made = unblur.deblur(Image(values, "ZYX"), "svmap", gaussian((7, 7), 1.2)).image
    assert np.abs(made.data[0].astype(int) - 255).max() <= 5
