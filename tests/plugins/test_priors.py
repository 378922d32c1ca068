from itertools import product

import numpy as np
import pytest
import torch

from unblur.errors import ParamsError
from unblur.numerics.operators import gradient
from unblur_classic.priors.gradient_priors import (
    HyperLaplacianPrior,
    L0Gradient,
    TotalVariationPrior,
)

PRIORS = [
    L0Gradient(),
    HyperLaplacianPrior(),
    HyperLaplacianPrior(exponent=1),
    TotalVariationPrior(),
]
NAMES = [repr(prior) for prior in PRIORS]


def drawn(*shape, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return torch.rand(shape, generator=draw, dtype=torch.float64)


@pytest.mark.parametrize("prior", PRIORS, ids=NAMES)
@pytest.mark.parametrize("shape", [(1, 5, 6), (3, 4, 5), (2, 3, 4, 5)])
def test_the_gradient_is_the_slope_of_the_energy(prior, shape):
    x = 0.01 * drawn(*shape)
    found = prior.gradient(x)
    step = 1e-6
    for index in list(np.ndindex(*shape))[::7]:
        ahead, behind = x.clone(), x.clone()
        ahead[index] += step
        behind[index] -= step
        slope = float(prior.energy(ahead) - prior.energy(behind)) / (2 * step)
        assert float(found[index]) == pytest.approx(slope, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("prior", PRIORS, ids=NAMES)
def test_the_energy_of_a_step_counts_its_edge(prior):
    """Two periodic edges of 6 pixels, each a difference of 1: every energy is about 12."""
    x = torch.zeros(1, 6, 8, dtype=torch.float64)
    x[..., 4:] = 1
    assert float(prior.energy(x)) == pytest.approx(12, rel=0.02)
    assert float(prior.energy(torch.full_like(x, 0.7))) == 0


def test_energies_scale_with_the_height_of_an_edge_by_their_exponent():
    x = torch.zeros(1, 6, 8, dtype=torch.float64)
    x[..., 4:] = 0.5
    heights = [float(p.energy(2 * x) / p.energy(x)) for p in PRIORS]
    assert heights == pytest.approx([1, 2 ** (2 / 3), 2, 2], rel=0.01)


# The proximal map of each gradient by itself, against a fine grid.


def exact_cost(prior, gradients):
    """The energy of gradients (2, n) without the smoothing near 0."""
    if isinstance(prior, L0Gradient):
        return (np.hypot(*gradients) > 1e-12).astype(float)
    if isinstance(prior, TotalVariationPrior):
        return np.hypot(*gradients)
    p = prior.params.exponent
    return np.abs(gradients[0]) ** p + np.abs(gradients[1]) ** p


@pytest.mark.parametrize("prior", PRIORS, ids=NAMES)
@pytest.mark.parametrize("step", [0.02, 0.3])
def test_shrinkage_finds_the_minimum_of_a_fine_grid(prior, step):
    gradients = 2 * drawn(2, 25, seed=1) - 1
    found = prior.shrink_gradient(gradients[:, None, None], step)[:, 0, 0].numpy()
    axis = np.linspace(-1, 1, 401)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij")).reshape(2, -1)
    costs = step * exact_cost(prior, grid)
    for index in range(25):
        slope = gradients[:, index].numpy()[:, None]
        # The gradient itself and its two parts are no points of the grid.
        grids = np.concatenate([grid, slope * [[1, 1, 0], [1, 0, 1]]], axis=1)
        extra = step * exact_cost(prior, grids[:, -3:])
        minimum = (np.append(costs, extra) + ((grids - slope) ** 2).sum(0) / 2).min()
        u = found[:, index][:, None]
        reached = float((step * exact_cost(prior, u) + ((u - slope) ** 2).sum(0) / 2)[0])
        assert reached <= minimum + 1e-4


@pytest.mark.parametrize("prior", PRIORS, ids=NAMES)
def test_shrinkage_never_lengthens_or_reverses_a_gradient(prior):
    gradients = torch.randn(2, 1, 9, 9, generator=torch.Generator().manual_seed(3))
    shrunk = prior.shrink_gradient(gradients, 0.2)
    assert bool((shrunk.abs() <= gradients.abs() + 1e-6).all())
    assert bool((shrunk * gradients >= 0).all())
    assert 0 < int((shrunk != 0).sum()) < gradients.numel()


# The proximal map on the image.


@pytest.mark.parametrize("step", [0.05, 0.2, 0.5])
def test_total_variation_of_a_step_shrinks_by_the_formula(step):
    """Each half of n pixels a row has two edges, so it moves by 2 step / n towards the other."""
    x = torch.zeros(1, 6, 16, dtype=torch.float64)
    x[..., 8:] = 1
    u = TotalVariationPrior().proximal(x, step)
    moved = 2 * step / 8
    torch.testing.assert_close(u[..., :8], torch.full((1, 6, 8), moved).double(), atol=4e-3, rtol=0)
    torch.testing.assert_close(
        u[..., 8:], torch.full((1, 6, 8), 1 - moved).double(), atol=4e-3, rtol=0
    )


@pytest.mark.parametrize("seed", range(4))
def test_l0_approaches_the_best_of_all_partitions(seed):
    """On a row of eight pixels every set of edges can be tried."""
    draw = np.random.default_rng(seed)
    levels = np.repeat(draw.permutation([0.1, 0.5, 0.9]), [3, 2, 3])
    x = levels + 0.02 * draw.standard_normal(8)
    step = 0.01
    best = min(partition_cost(x, cuts, step) for cuts in product([False, True], repeat=8))
    u = L0Gradient().proximal(torch.tensor(x)[None, None], step)[0, 0].numpy()
    edges = int((np.abs(np.roll(u, -1) - u) > 0.05).sum())
    assert edges == 3
    assert step * edges + 0.5 * ((u - x) ** 2).sum() <= 1.05 * best


def partition_cost(x, cuts, step):
    """The cost of the means of the pieces of a periodic row, cut after the pixels marked."""
    if sum(cuts) < 2:
        return 0.5 * ((x - x.mean()) ** 2).sum()
    start = cuts.index(True) + 1
    rotated = np.roll(x, -start)
    ends = np.flatnonzero(np.roll(cuts, -start)) + 1
    pieces = np.split(rotated, ends[:-1])
    return step * sum(cuts) + 0.5 * sum(((p - p.mean()) ** 2).sum() for p in pieces)


@pytest.mark.parametrize("prior", PRIORS, ids=NAMES)
def test_the_proximal_map_is_the_image_for_small_steps_and_constant_for_large_ones(prior):
    x = drawn(2, 12, 12, seed=5)
    torch.testing.assert_close(prior.proximal(x, 1e-9), x, atol=1e-4, rtol=0)
    flat = prior.proximal(x, 100.0)
    assert float(gradient(flat).abs().max()) < 0.01
    torch.testing.assert_close(flat.mean((1, 2)), x.mean((1, 2)))


@pytest.mark.parametrize("prior", PRIORS, ids=NAMES)
def test_the_proximal_map_has_a_lower_objective_than_its_neighbours(prior):
    """No point between the image and its proximal point has a much lower objective."""
    x = 0.2 * drawn(1, 10, 10, seed=6)
    x[..., 5:] += 0.6
    step = 0.01
    u = prior.proximal(x, step)

    def objective(v):
        return step * float(prior.energy(v)) + float((v - x).square().sum()) / 2

    assert objective(u) < 0.95 * objective(x)
    assert objective(u) <= 1.05 * min(objective(x + t * (u - x)) for t in np.linspace(0, 1.5, 16))


@pytest.mark.parametrize("exponent", [0, 1.5])
def test_an_exponent_out_of_bounds_raises(exponent):
    with pytest.raises(ParamsError, match="exponent"):
        HyperLaplacianPrior(exponent=exponent)
