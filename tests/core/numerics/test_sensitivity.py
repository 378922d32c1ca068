import pytest
import torch

from unblur.numerics.operators import Blur
from unblur.numerics.sensitivity import inverse_sensitivity


@pytest.mark.parametrize(
    ("kernel", "shape"),
    [
        ((5, 4), (9, 11)),
        ((3, 7), (3, 6)),
        ((9, 9), (4, 20)),
        ((1, 1), (2, 3)),
        ((3, 4, 5), (6, 4, 9)),
    ],
)
def test_it_is_the_inverse_of_the_adjoint_of_ones(kernel, shape):
    generator = torch.Generator().manual_seed(0)
    weights = torch.rand(kernel, generator=generator)
    weights /= weights.sum()
    blur = Blur(weights.double(), shape)
    sensitivity = blur.adjoint(torch.ones(shape, dtype=torch.float64))
    expected = torch.where(sensitivity > 0.2, 1 / sensitivity, 0)
    scene = tuple(slice(0, n + k - 1) for n, k in zip(shape, kernel, strict=True))
    extent = tuple(n + k + 1 for n, k in zip(shape, kernel, strict=True))
    found = inverse_sensitivity(weights, shape, extent, 0.2)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found[scene], expected[scene].float())
    assert found.count_nonzero() == found[scene].count_nonzero()
