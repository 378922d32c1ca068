"""A photograph that states how it is to be turned is cropped and shown as viewers show it."""

import numpy as np
import pytest
from PIL import Image as pil
from PIL import ImageOps

import unblur
from unblur.errors import ImageError
from unblur.io.exif import as_seen, cropped_as_seen


@pytest.fixture(params=range(1, 9))
def photo(request, tmp_path):
    """Return the image as it is read, the pixels as Pillow turns them, and the orientation."""
    pixels = np.random.default_rng(0).integers(0, 256, (12, 20, 3), dtype=np.uint8)
    exif = pil.Exif()
    exif[274] = request.param
    path = tmp_path / "photo.png"
    pil.fromarray(pixels).save(path, exif=exif)
    seen = np.asarray(ImageOps.exif_transpose(pil.open(path)))
    return unblur.read_image(path), seen, request.param


def test_a_crop_is_that_of_the_picture_as_it_is_seen(photo):
    image, seen, orientation = photo
    part = cropped_as_seen(image, slice(2, 9), slice(3, None))
    shown = as_seen(np.moveaxis(part.data, 0, -1), orientation)
    np.testing.assert_array_equal(shown, seen[2:9, 3:])
    with pytest.raises(ImageError, match="nothing lies within"):
        cropped_as_seen(image, slice(50, 60), slice(0, 5))


@pytest.mark.needs_torch
def test_the_page_shows_the_picture_as_it_is_seen(photo):
    from unblur.report.previews import view_of

    image, seen, _ = photo
    np.testing.assert_array_equal(view_of(image).values, seen)
