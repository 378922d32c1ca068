import pytest
import torch

from unblur.numerics.proximal import shrink


@pytest.mark.parametrize("exponent", [0.5, 2 / 3])
def test_nan_stays_and_0_is_0(exponent):
    found = shrink(torch.tensor([torch.nan, 0.0, -0.01, 3.0]), 0.1, exponent)
    assert found[0].isnan()
    assert found[1] == found[2] == 0
    assert 2.9 < found[3] < 3
