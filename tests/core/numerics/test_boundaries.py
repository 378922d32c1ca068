import torch

from unblur.numerics.boundaries import split_mask


def test_a_mask_tells_lost_pixels_from_clipped_ones():
    blurred = torch.full((3, 2, 3), 0.5)
    blurred[1, 0, 0] = 1.0
    mask = torch.ones(2, 3)
    mask[0, 0] = mask[1, 2] = 0
    seen, clipped = split_mask(blurred, mask, 1.0)
    assert seen.tolist() == [[1, 1, 1], [1, 1, 0]]
    assert clipped.sum() == clipped[1, 0, 0] == 1
    assert split_mask(blurred, mask, None) == (mask, None)
    nothing, nowhere = split_mask(blurred, None, 1.0)
    assert nothing is None
    assert nowhere.sum() == 0
