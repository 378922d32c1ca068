import math

import pytest
import torch
from scipy.signal import convolve

from unblur.accel.memory import AllocationCounter
from unblur.numerics.operators import Blur
from unblur_classic.nonblind.overlap_save import CACHE_SAMPLES, BlockFilter, BlockGrid, block_cost
from unblur_classic.nonblind.rl_iteration import MIN_SENSITIVITY, RichardsonLucyIteration

CASES = [
    ((7, 8), (3, 4)),
    ((9, 1), (1, 1)),
    ((1, 1), (3, 3)),
    ((5, 6), (9, 14)),
    ((40, 30), (40, 30)),
    ((300, 70), (5, 2)),
    ((6, 5, 7), (2, 3, 4)),
]


def random(*shape, seed=0):
    return torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("extent", "support"), CASES)
@pytest.mark.parametrize("batch", [1, 2**19])
def test_it_convolves(extent, support, batch):
    kernel = random(*support)
    blocks = BlockFilter(kernel, extent, batch)
    x = random(2, *blocks.needed, seed=1)
    out = x.new_full((2, *blocks.covered), torch.nan)
    for index, piece in blocks.pieces(x):
        blocks.tiles(out)[index] = piece
    for image, result in zip(x, out, strict=True):
        expected = torch.from_numpy(convolve(image.numpy(), kernel.numpy(), mode="valid"))
        torch.testing.assert_close(result, expected)


@pytest.mark.parametrize(("extent", "support"), CASES)
def test_one_zero_margin_suffices_on_several_threads(extent, support):
    kernel = random(*support)
    full = tuple(n + k - 1 for n, k in zip(extent, support, strict=True))
    blocks = BlockFilter(kernel, full, 1, zero_margin=True)
    x = torch.zeros(2, *blocks.needed, dtype=torch.float64)
    window = (..., *(slice(k - 1, k - 1 + n) for n, k in zip(extent, support, strict=True)))
    x[window] = random(2, *extent, seed=1)
    out = x.new_full((2, *blocks.covered), torch.nan)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    blocks.for_each(x, blocks.tiles(out).__setitem__)
    torch.set_num_threads(threads)
    found = out[(..., *(slice(0, n) for n in full))]
    for image, result in zip(x[window], found, strict=True):
        expected = torch.tensor(convolve(image.numpy(), kernel.numpy(), mode="full").copy())
        torch.testing.assert_close(result, expected)


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
def test_an_iteration_is_the_formula(extent, support, masked):
    mask = (random(*extent, seed=3) > 0.3).double() if masked else None
    blur = Blur(random(*support), extent, mask)
    data = random(2, *extent, seed=1)
    before = data.clone()
    iteration = RichardsonLucyIteration(blur, data, 0.1)
    iteration.scene[:] = scene = random(2, *blur.domain, seed=2)
    iteration()
    sensitivity = blur.adjoint(torch.ones_like(data))
    factor = blur.adjoint(data / (blur.forward(scene) + 0.1)) / sensitivity.clamp_min(
        MIN_SENSITIVITY
    )
    expected = scene * torch.where(sensitivity > MIN_SENSITIVITY, factor, 1)
    torch.testing.assert_close(iteration.scene, expected)
    assert torch.equal(data, before)
