import pytest
import torch

from unblur.operators import Blur
from unblur_classic.paired_blur import PairedBlur

CASES = [
    ((7, 8), (3, 4)),
    ((8, 7), (5, 2)),
    ((9, 1), (1, 1)),
    ((1, 1), (3, 3)),
    ((5, 6), (9, 14)),
    ((40, 30), (40, 30)),
    ((6, 5, 7), (2, 3, 4)),
]


def random(*shape, seed=0):
    return torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("extent", "support"), CASES)
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("lead", [(), (1,), (2, 3)])
def test_it_is_the_same_operator_as_blur(extent, support, masked, lead):
    mask = (random(*extent, seed=3) > 0.3).double() if masked else None
    plain, paired = (cls(random(*support), extent, mask) for cls in (Blur, PairedBlur))
    assert paired.domain == plain.domain
    x, y = random(*lead, *plain.domain, seed=1), random(*lead, *extent, seed=2)
    torch.testing.assert_close(paired.forward(x), plain.forward(x))
    torch.testing.assert_close(paired.adjoint(y), plain.adjoint(y))


def test_it_is_cut_where_the_kernel_is_short():
    assert PairedBlur(random(3, 30), (40, 40))._axis == 0
    assert PairedBlur(random(30, 3), (40, 40))._axis == 1


def test_its_arguments_are_left_alone():
    blur = PairedBlur(random(3, 3), (8, 8), (random(8, 8, seed=4) > 0.5).double())
    x, y = random(1, *blur.domain), random(1, 8, 8)
    before = x.clone(), y.clone()
    blur.forward(x), blur.adjoint(y)
    assert torch.equal(x, before[0])
    assert torch.equal(y, before[1])
