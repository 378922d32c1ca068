"""The compiled normalisation against the library's in float64, with its derivatives."""

import pytest
import torch
from torch.nn import functional

from unblur_selfdeblur.networks import normalisation
from unblur_selfdeblur.networks.normalisation import Normalisation

pytest.importorskip("numba")


def assert_agrees(norm, x):
    x.requires_grad_()
    y = norm(x)
    assert y.grad_fn.name() == "_NormalisationFunctionBackward"
    change = torch.randn_like(y)
    y.backward(change)
    leaves = [t.detach().double().requires_grad_() for t in (x, norm.weight, norm.bias)]
    expected = functional.batch_norm(leaves[0], None, None, *leaves[1:], True, 0.1, norm.eps)
    expected = functional.leaky_relu(expected, norm.slope)
    expected.backward(change.double())
    # What float32 itself leaves of values around a mean.
    rounding = max(1e-5, 3e-7 * abs(float(x.detach().mean())))
    for ours, theirs in zip(
        (y, x.grad, norm.weight.grad, norm.bias.grad),
        (expected.detach(), *(leaf.grad for leaf in leaves)),
        strict=True,
    ):
        atol = rounding * float(theirs.abs().max())
        torch.testing.assert_close(ours.detach().double(), theirs, rtol=0, atol=atol)


@pytest.mark.parametrize("slope", [1.0, 0.2])
@pytest.mark.parametrize("mean", [0.0, 3.0, -500.0])
def test_values_and_derivatives_are_those_of_the_library(slope, mean):
    torch.manual_seed(0)
    norm = Normalisation(20, slope)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    x = (mean + torch.randn(1, 20, 61, 47)).contiguous(memory_format=torch.channels_last)
    assert_agrees(norm, x)


def test_the_uncompiled_loops_agree_with_the_library(monkeypatch):
    from unblur_selfdeblur.networks import normalisation_loops

    monkeypatch.setattr(normalisation, "MIN_COMPILED_PIXELS", 1)
    for name in ("_moments", "_activate", "_sums", "_derive"):
        loops = getattr(normalisation_loops, name)
        monkeypatch.setattr(normalisation_loops, name, loops.py_func)
    torch.manual_seed(0)
    norm = Normalisation(3, 0.2)
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    assert_agrees(norm, torch.randn(1, 3, 20, 15).contiguous(memory_format=torch.channels_last))


def test_contiguous_maps_and_plain_layers_use_the_library():
    norm, plain = Normalisation(8, 0.2), Normalisation(8, 0.2, compiled=False)
    x = torch.randn(1, 8, 40, 40, generator=torch.Generator().manual_seed(0))
    ordered = x.contiguous(memory_format=torch.channels_last)
    expected = norm(ordered)
    assert expected.grad_fn.name() == "_NormalisationFunctionBackward"
    for y in (norm(x), plain(ordered)):
        assert y.grad_fn.name() != "_NormalisationFunctionBackward"
        torch.testing.assert_close(y, expected)
