import pytest
import torch

from unblur.numerics import proximal
from unblur.numerics.proximal import shrink


@pytest.mark.parametrize("exponent", [0.5, 2 / 3])
@pytest.mark.parametrize("ramp", [0.0, 0.1])
@pytest.mark.parametrize("weight", [1e-4, 0.02, 1.5])
def test_the_compiled_map_is_the_same(exponent, ramp, weight, monkeypatch):
    pytest.importorskip("numba")
    x = torch.randn(3, 41, 57, generator=torch.Generator().manual_seed(0))
    x[0, 0, :3] = torch.tensor([torch.nan, 0.0, 2.0 + weight])
    expected = shrink(x, weight, exponent, ramp)
    monkeypatch.setattr(proximal, "COMPILED_FROM", 1)
    monkeypatch.setattr(proximal, "COMPILED_BLOCK", 1000)
    found = shrink(x, weight, exponent, ramp)
    # On the ramp rounding is enlarged by its slope, 10.
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5, equal_nan=True)


def test_exponents_without_a_polynomial_are_not_compiled(monkeypatch):
    monkeypatch.setattr(proximal, "COMPILED_FROM", 1)
    monkeypatch.setattr(proximal, "_shrink_compiled", None)
    assert shrink(torch.tensor([0.1, -2.0]), 0.5, 0.8).tolist()[0] == 0
