import numpy as np
import pytest
import torch
from PIL import Image

from unblur.errors import ImageError
from unblur.training.images import (
    Crops,
    image_files,
    mean_gradient,
    read_luma,
    read_luma_at_two_sizes,
)


@pytest.fixture
def folder(tmp_path):
    ramp = np.tile(np.arange(0, 240, 4, dtype=np.uint8), (40, 1))
    Image.fromarray(ramp).save(tmp_path / "b.png")
    Image.fromarray(np.stack([ramp] * 3, axis=2)).save(tmp_path / "a.PNG")
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def draw(crops, seed=0):
    return crops.draw(torch.Generator().manual_seed(seed))


def test_pictures_are_found_in_order(folder):
    assert [p.name for p in image_files(folder)] == ["a.PNG", "b.png"]


def test_a_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(ImageError, match="holds none"):
        image_files(tmp_path)


def test_each_picture_is_read_at_both_sizes(folder):
    full, half = read_luma_at_two_sizes([folder / "b.png"])
    assert (tuple(full.shape), tuple(half.shape)) == ((40, 60), (20, 30))
    assert full.dtype == torch.uint8
    np.testing.assert_allclose(half[0], np.arange(2, 240, 8), atol=1)
    torch.testing.assert_close(read_luma(folder / "a.PNG"), full, atol=1, rtol=0)


def test_a_crop_is_a_turned_piece_of_a_picture():
    picture = torch.arange(80, dtype=torch.uint8).reshape(8, 10)
    piece = 255 * draw(Crops([picture], 4))
    slopes = {abs(round(float(piece.diff(dim=d).mean()))) for d in (0, 1)}
    assert slopes == {1, 10}


def test_a_seed_gives_one_crop():
    crops = Crops([torch.randint(256, (64, 64), dtype=torch.uint8)], 8)
    torch.testing.assert_close(draw(crops), draw(crops), atol=0, rtol=0)
    assert not torch.equal(draw(crops), draw(crops, 1))


def test_busy_crops_are_preferred():
    picture = torch.zeros(64, 64, dtype=torch.uint8)
    picture[:, 32:] = torch.randint(256, (64, 32), dtype=torch.uint8)
    crops = Crops([picture], 8)
    busy = sum(mean_gradient(draw(crops, seed)) > 0 for seed in range(200))
    assert busy > 130


def test_pictures_smaller_than_a_crop_are_refused():
    with pytest.raises(ImageError, match="at least 9 pixels"):
        Crops([torch.zeros(8, 20, dtype=torch.uint8)], 9)
