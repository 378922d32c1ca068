"""Blind quality, against its formula written out."""

import numpy as np
import pytest
import torch

from unblur.numerics.metrics.blind import blind_quality


@pytest.mark.parametrize("method", ["power", "normalized"])
def test_quality_is_sparsity_plus_weighted_residual(method):
    generator = torch.Generator().manual_seed(0)
    sharp, residual = (torch.rand(9, 8, generator=generator).double() for _ in range(2))
    found = blind_quality(sharp, residual, 0.5, method=method, weight=4.0)
    a = sharp.numpy()
    length = np.hypot(np.diff(a, axis=0)[:, :-1], np.diff(a, axis=1)[:-1])
    sparsity = {
        "power": np.mean(length**0.5),
        "normalized": np.mean(length) / np.sqrt(np.mean(length**2)),
    }[method]
    rms = np.sqrt(np.mean(residual.numpy() ** 2))
    assert found == pytest.approx(sparsity + 4.0 * rms / 0.5)


def test_normalised_sparsity_does_not_depend_on_the_contrast():
    x, exact = torch.rand(16, 16), torch.zeros(16, 16)
    once, twice = (blind_quality(g * x, exact, method="normalized", weight=1.0) for g in (1.0, 2.0))
    assert once == pytest.approx(twice)
