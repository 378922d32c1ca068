import numpy as np
import pytest
import torch

from unblur.errors import WeightsError
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.numerics.operators import Blur
from unblur.plugins.weights import save_weights
from unblur.testing import Case, gaussian, laws_of, lopsided, synthetic_scene
from unblur_svmap import banks
from unblur_svmap.filters import filter_pixels
from unblur_svmap.model import (
    ModelDesign,
    SpatiallyVariantMap,
    initial_solution,
    normal,
    solve,
    wiener,
)
from unblur_svmap.networks import LAYERS, FilterNetwork
from unblur_svmap.stage import Svmap

LEVEL = torch.full((1, 1, 1, 1), 0.01)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file of random weights, so that every part of the model has an effect."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("svmap") / "untrained.safetensors"
    save_weights(SpatiallyVariantMap().state_dict(), path)
    return path


def run(blurred, kernel, weights, **params):
    stage = Svmap({"model": str(weights), "noise": 0.01, **params})
    return stage.deconvolve(blurred, kernel, Context())


def small_problem(seed=0):
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    kernel = torch.rand(3, 4, generator=generator, dtype=torch.float64)
    mask = (torch.rand(6, 5, generator=generator) > 0.2).double()
    blur = Blur(kernel / kernel.sum(), (6, 5), mask)
    y, x = draw(1, 1, 6, 5), draw(1, 1, *blur.domain)
    f, g = draw(1, 2, 9, 6, 5), 0.3 * draw(1, 2, 9, *blur.domain)
    return blur, y, x, f, g


def as_matrix(operator, shape):
    count = int(np.prod(shape))
    columns = [operator(e.reshape(1, 1, *shape)).flatten() for e in torch.eye(count).double()]
    return torch.stack(columns, 1)


@pytest.mark.parametrize("seed", range(3))
def test_normal_operator_is_symmetric_positive_definite(seed):
    blur, _, _, f, g = small_problem(seed)
    matrix = as_matrix(lambda x: normal(x, blur, f, g), blur.domain)
    torch.testing.assert_close(matrix, matrix.T)
    assert torch.linalg.eigvalsh(matrix).min() > 0


def test_solve_minimises_the_energy_of_eq_12():
    blur, y, x, f, g = small_problem()
    scene_shape = (1, 1, *blur.domain)

    def energy(z):
        z = z.reshape(scene_shape)
        residual = blur.mask * y - blur.forward(z)
        return (
            filter_pixels(residual, f, "zeros").square().sum()
            + filter_pixels(z, g, "periodic").square().sum()
            + 1e-6 * z.square().sum()
        )

    found = solve(y, x, blur, f, g, 200).requires_grad_()
    (gradient,) = torch.autograd.grad(energy(found), found)
    assert gradient.abs().max() < 1e-6
    assert energy(found) < energy(solve(y, x, blur, f, g, 2)) < energy(x)


def test_gradients_through_conjugate_gradients_agree_with_finite_differences():
    blur, y, x, f, g = small_problem()
    for tensor in (y, x, f, g):
        tensor.requires_grad_()

    def five_steps(y, x, f, g):
        return solve(y, x, blur, f, g, 5)

    assert torch.autograd.gradcheck(five_steps, (y, x, f, g), fast_mode=True)


def test_gradients_through_the_model_agree_with_finite_differences():
    torch.manual_seed(0)
    model = SpatiallyVariantMap().double()
    given = synthetic_scene((10, 9), lopsided((3, 4)), noise=0.01)
    blurred, kernel = given.blurred[None].double(), given.kernel.tensor(dtype=torch.float64)
    weight = model.regularisers[0].network.layers[-1].weight
    model(blurred, kernel, LEVEL.double())[-1].square().sum().backward()
    place = (40, 3, 1, 1)
    losses = []
    for sign in (1, -1):
        with torch.no_grad():
            weight[place] += sign * 1e-5
            losses.append(model(blurred, kernel, LEVEL.double())[-1].square().sum().item())
            weight[place] -= sign * 1e-5
    derivative = (losses[0] - losses[1]) / 2e-5
    assert weight.grad[place].item() == pytest.approx(derivative, rel=1e-4)


def test_network_with_zero_weights_predicts_the_fixed_filters():
    base = banks.derivative_filters()
    network = FilterNetwork(4, base)
    with torch.no_grad():
        network.layers[-1].weight.zero_()
        bank = network(torch.rand(1, 4, 9, 8))
    torch.testing.assert_close(bank, base.flatten(1)[None, :, :, None, None].expand_as(bank))


def test_network_in_pieces_equals_the_whole():
    torch.manual_seed(0)
    network = FilterNetwork(2, banks.data_filters(), tile=16)
    images = torch.rand(1, 2, 50, 37)
    whole = network(images).detach()
    with torch.no_grad():
        pieces = network(images)
    torch.testing.assert_close(pieces, whole, atol=1e-5, rtol=1e-4)


def test_initial_weights_are_those_of_the_hyper_laplacian():
    # On a ramp the derivative is the same everywhere, so that averaging does not matter.
    x = 0.03 * torch.arange(12.0).reshape(1, 1, 12, 1).expand(1, 1, 12, 12)
    found = banks.hyper_laplacian(x)[0, :, 4:8, 4:8]
    down, across = 0.03**2 + banks.MIN_DERIVATIVE**2, banks.MIN_DERIVATIVE**2
    power = banks.EXPONENT / 2 - 1
    for filter_number, square in ((0, down), (1, across), (2, across), (4, across)):
        expected = (banks.PRIOR_WEIGHT * square**power) ** 0.5
        torch.testing.assert_close(found[filter_number], torch.full((4, 4), expected))


def test_fixed_regulariser_is_the_initial_learned_one():
    torch.manual_seed(0)
    learned, fixed = (
        SpatiallyVariantMap(),
        SpatiallyVariantMap(ModelDesign("l2", "hyper-laplacian")),
    )
    with torch.no_grad():
        for part in (*learned.data, *learned.regularisers):
            part.network.layers[-1].weight.zero_()
        for part in learned.data:
            part.network.layers[-1].bias.copy_(banks.data_filters().flatten())
            part.network.layers[-1].bias[25:] = 0
        given = synthetic_scene((32, 32), noise=0.01)
        kernel = given.kernel.tensor()
        found = [m(given.blurred[None], kernel, LEVEL)[-1] for m in (learned, fixed)]
    torch.testing.assert_close(*found, atol=1e-4, rtol=1e-3)


def test_initial_solution_needs_no_correction_where_the_scene_is_periodic():
    kernel = gaussian((5, 5), 1.0).tensor()
    blur = Blur(kernel, (28, 28))
    given = synthetic_scene((28, 28), gaussian((5, 5), 1.0))
    view = blur.extend(given.blurred[None])
    level = torch.full((1, 1, 1, 1), 1e-2)
    first = wiener(view, blur, level)
    whole = Blur(torch.ones(1, 1), blur.domain)
    whole.otf = blur.otf
    torch.testing.assert_close(
        initial_solution(view, view, whole, level), first, atol=1e-4, rtol=1e-3
    )


@pytest.mark.parametrize(
    "design",
    [
        ModelDesign(data="l2"),
        ModelDesign(regulariser="hyper-laplacian"),
        ModelDesign(data="l2", regulariser="hyper-laplacian"),
        ModelDesign(invariant=True),
    ],
)
def test_every_design_deconvolves(design):
    torch.manual_seed(0)
    given = synthetic_scene((64, 64), lopsided((7, 8)), noise=0.01)
    with torch.no_grad():
        model = SpatiallyVariantMap(design)
        found = model(given.blurred[None], given.kernel.tensor(), LEVEL)[-1][0]
    inner = (..., slice(8, -8), slice(8, -8))
    before = (given.blurred - given.sharp)[inner].square().mean()
    assert (found - given.sharp)[inner].square().mean() < 0.7 * before


def test_invariant_filters_are_one_bank_times_a_weight_per_pixel():
    torch.manual_seed(0)
    bank = SpatiallyVariantMap(ModelDesign(invariant=True)).data[0](torch.rand(1, 3, 20, 20))
    ratio = bank[0, 0, 12] / bank[0, 0, 12, 0, 0]
    assert ratio.std() > 1e-4
    shape = bank[0, 1, 12:18] / bank[0, 1, 12]
    torch.testing.assert_close(shape, shape[:, :1, :1].expand_as(shape))


@pytest.mark.parametrize("law", laws_of(Svmap), ids=lambda law: law.name)
def test_law(law, weights):
    law.check(Case(Svmap, {"model": str(weights), "noise": 0.01, "iterations": 2}))


@pytest.mark.parametrize("shape", [(1, 1), (2, 2), (1, 9), (12, 5), (31, 30), (99, 98), (98, 99)])
def test_any_kernel(shape, weights):
    kernel = lopsided(shape) if max(shape) > 2 else Kernel(np.ones(shape))
    given = synthetic_scene((72, 60), kernel, noise=0.01)
    found = run(given.blurred, kernel, weights)
    assert found.shape == given.blurred.shape
    assert torch.isfinite(found).all()
    assert (found - given.sharp).abs().mean() < 0.2


def test_luma_only_keeps_grey_grey(weights):
    given = synthetic_scene((40, 44), noise=0.01)
    grey = given.blurred.expand(3, -1, -1).contiguous()
    found = run(grey, given.kernel, weights, colour="luma")
    alone = run(given.blurred, given.kernel, weights)
    torch.testing.assert_close(found, alone.expand(3, -1, -1), atol=1e-4, rtol=0)


def test_a_dim_image_is_deconvolved_like_a_bright_one(weights):
    given = synthetic_scene((48, 48), noise=0.01)
    context = Context(contrast=float(given.blurred.std()))
    stage = Svmap(model=str(weights), noise=0.01)
    bright = stage.deconvolve(given.blurred, given.kernel, context)
    dim_context = Context(contrast=0.01 * float(given.blurred.std()))
    dim = Svmap(model=str(weights), noise=1e-4)
    found = dim.deconvolve(0.01 * given.blurred, given.kernel, dim_context)
    inner = (..., slice(8, -8), slice(8, -8))
    error = (100 * found - given.sharp)[inner].square().mean()
    assert error < 1.5 * (bright - given.sharp)[inner].square().mean()


@pytest.mark.parametrize("noise", [0.0, 0.001, 0.01])
def test_a_bright_image_of_low_contrast_is_improved(noise):
    generator = torch.Generator().manual_seed(4)
    given = synthetic_scene((64, 64), noise=0.0)
    sharp, blurred = (0.85 + 0.1 * (x - x.mean()) for x in (given.sharp, given.blurred))
    blurred = blurred + noise * torch.randn(blurred.shape, generator=generator)
    found = Svmap(noise=noise).deconvolve(blurred, given.kernel, Context())
    inner = (..., slice(8, -8), slice(8, -8))
    assert (found - sharp)[inner].square().mean() < (blurred - sharp)[inner].square().mean()


def test_the_halo_covers_all_reweightings_of_the_weights():
    kernel = Kernel(np.ones((5, 5)))
    halos = {name: Svmap(model=name).halo(kernel)[0] for name in ("gaussian", "saturated", "auto")}
    assert halos["saturated"] - halos["gaussian"] == 2 * LAYERS
    assert halos["auto"] == halos["saturated"]


def test_weights_of_another_model_are_refused(tmp_path):
    path = tmp_path / "other.safetensors"
    save_weights({"layer.weight": torch.zeros(2)}, path)
    given = synthetic_scene((24, 24))
    with pytest.raises(WeightsError, match="another model"):
        run(given.blurred, given.kernel, path)


def test_unknown_weights_are_named(tmp_path):
    given = synthetic_scene((24, 24))
    with pytest.raises(WeightsError, match="there is no"):
        run(given.blurred, given.kernel, "gausian")
