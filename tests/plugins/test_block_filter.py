import math
from importlib.util import find_spec

import pytest
import torch
from scipy.signal import convolve

from unblur.accel.memory import AllocationCounter
from unblur.numerics import overlap_save
from unblur.numerics.block_grid import CACHE_SAMPLES, BlockGrid, block_cost
from unblur.numerics.operators import Blur
from unblur.numerics.overlap_save import BlockFilter
from unblur_classic.nonblind.richardson_lucy.iteration import (
    MIN_SENSITIVITY,
    RichardsonLucyIteration,
)

CASES = [
    ((7, 8), (3, 4)),
    ((9, 1), (1, 1)),
    ((1, 1), (3, 3)),
    ((5, 6), (9, 14)),
    ((40, 30), (40, 30)),
    ((300, 70), (5, 2)),
    ((6, 5, 7), (2, 3, 4)),
]


@pytest.fixture(params=["library", "compiled"])
def dtype(request, monkeypatch):
    """Type of numbers, with which small images are transformed by the library, or compiled."""
    if request.param == "library":
        return torch.float64
    if not find_spec("numba"):
        pytest.skip("needs numba")
    monkeypatch.setattr(overlap_save, "COMPILED_FROM", 0)
    return torch.float32


def random(*shape, seed=0):
    return torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("extent", "support"), CASES)
@pytest.mark.parametrize("batch", [1, 2**19])
def test_it_convolves(extent, support, batch, dtype):
    kernel = random(*support).to(dtype) / math.prod(support)
    blocks = BlockFilter(kernel, extent, batch)
    assert blocks.is_compiled == (dtype == torch.float32)
    x = random(2, *blocks.needed, seed=1).to(dtype)
    out = x.new_full((2, *blocks.covered), torch.nan)
    for index, piece in blocks.pieces(x):
        blocks.tiles(out)[index] = piece
    for image, result in zip(x, out, strict=True):
        expected = torch.from_numpy(convolve(image.numpy(), kernel.numpy(), mode="valid"))
        torch.testing.assert_close(result, expected, **allowed(dtype))


@pytest.mark.parametrize(("extent", "support"), CASES)
def test_one_zero_margin_suffices_on_several_threads(extent, support, dtype):
    kernel = random(*support).to(dtype) / math.prod(support)
    full = tuple(n + k - 1 for n, k in zip(extent, support, strict=True))
    blocks = BlockFilter(kernel, full, 1, zero_margin=True)
    x = torch.zeros(2, *blocks.needed, dtype=dtype)
    window = (..., *(slice(k - 1, k - 1 + n) for n, k in zip(extent, support, strict=True)))
    x[window] = random(2, *extent, seed=1).to(dtype)
    out = x.new_full((2, *blocks.covered), torch.nan)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    blocks.for_each(x, blocks.tiles(out).__setitem__)
    torch.set_num_threads(threads)
    found = out[(..., *(slice(0, n) for n in full))]
    for image, result in zip(x[window], found, strict=True):
        expected = torch.tensor(convolve(image.numpy(), kernel.numpy(), mode="full").copy())
        torch.testing.assert_close(result, expected, **allowed(dtype))


def allowed(dtype):
    """Return the allowed deviation for results of about 1."""
    return {"atol": 1e-6, "rtol": 1e-6} if dtype == torch.float32 else {}


def test_the_arrays_of_all_threads_are_counted():
    blocks = BlockFilter(random(5, 5).float(), (64, 64), 1)
    x = torch.rand(1, *blocks.needed)
    peaks = []
    threads = torch.get_num_threads()
    for count in (1, 2):
        torch.set_num_threads(count)
        with AllocationCounter(x) as counter:
            blocks.for_each(x, lambda index, piece: piece.add_(1))
        peaks.append(counter.peak)
    torch.set_num_threads(threads)
    assert len(blocks._jobs(x)) > 1
    assert 1.7 * peaks[0] < peaks[1] < 2.3 * peaks[0]


def test_the_cheapest_grid_covers_the_result_and_fits_the_cache():
    for extent, support in [((2048, 2048), (25, 25)), ((255, 255), (25, 25)), ((99, 3000), (9, 3))]:
        blocks = BlockGrid.cheapest(extent, support)
        assert all(c >= n for c, n in zip(blocks.covered, extent, strict=True))
        assert blocks.lengths[0] * blocks.lengths[1] <= 2 * CACHE_SAMPLES
        assert blocks.counts[blocks.paired] % 2 == 0
        assert all(length % 4 == 0 and length % 512 for length in blocks.lengths)
        count, samples = math.prod(blocks.counts), math.prod(blocks.lengths)
        largest = 2 * (extent[0] + support[0]) * (extent[1] + support[1])
        assert block_cost(count, samples) <= largest


@pytest.mark.parametrize(("extent", "support"), CASES)
@pytest.mark.parametrize("masked", [False, True])
def test_an_iteration_is_the_formula(extent, support, masked, dtype):
    mask = (random(*extent, seed=3) > 0.3).to(dtype) if masked else None
    kernel = random(*support)
    blur = Blur((kernel / kernel.sum()).to(dtype), extent, mask)
    data = random(2, *extent, seed=1).to(dtype)
    before = data.clone()
    iteration = RichardsonLucyIteration(blur, data, 0.1)
    iteration.scene[:] = scene = random(2, *blur.domain, seed=2).to(dtype)
    iteration()
    sensitivity = blur.adjoint(torch.ones_like(data))
    factor = blur.adjoint(data / (blur.forward(scene) + 0.1)) / sensitivity.clamp_min(
        MIN_SENSITIVITY
    )
    expected = scene * torch.where(sensitivity > MIN_SENSITIVITY, factor, 1)
    # Where the sensitivity is next to its smallest one, rounding decides.
    is_clear = (sensitivity / MIN_SENSITIVITY - 1).abs() > 1e-3
    result, expected = (torch.where(is_clear, x, 0) for x in (iteration.scene, expected))
    limits = {"atol": 2e-5, "rtol": 2e-5} if dtype == torch.float32 else {}
    torch.testing.assert_close(result, expected, **limits)
    assert torch.equal(data, before)


@pytest.mark.skipif(not find_spec("numba"), reason="needs numba")
def test_compiled_steps_equal_those_of_the_library_on_any_number_of_threads(monkeypatch):
    kernel = random(5, 5).float() / 13
    data = random(2, 40, 150, seed=1).float()
    results, before = [], torch.get_num_threads()
    for limit, threads in ((2**60, 1), (0, 1), (0, 2)):
        monkeypatch.setattr(overlap_save, "COMPILED_FROM", limit)
        torch.set_num_threads(threads)
        iteration = RichardsonLucyIteration(Blur(kernel, (40, 150)), data, 0.05, is_guarded=True)
        iteration.scene[:] = 0.5
        for momentum, relaxation in ((0.0, 1.2), (0.4, 1.5), (0.0, 1.0)):
            assert iteration(momentum, relaxation)
        assert iteration(0.0, 80.0)
        assert not iteration()
        results.append(iteration.scene.clone())
    torch.set_num_threads(before)
    torch.testing.assert_close(results[0], results[1], rtol=3e-4, atol=1e-5)
    assert torch.equal(results[1], results[2])


@pytest.mark.skipif(not find_spec("numba"), reason="needs numba")
def test_compiled_combined_steps_equal_those_of_the_library(monkeypatch):
    kernel = random(3, 5, 5).float() / 38
    data, results = random(1, 10, 20, 24, seed=1).float(), []
    for limit in (2**60, 0):
        monkeypatch.setattr(overlap_save, "COMPILED_FROM", limit)
        blur = Blur(kernel, (10, 20, 24))
        iteration = RichardsonLucyIteration(blur, data, 0.05, combined_kernel=kernel**2)
        iteration.scene[:] = 0.5
        assert iteration(is_combined=True)
        results.append(iteration.scene.clone())
    torch.testing.assert_close(results[0], results[1], rtol=3e-4, atol=1e-5)
