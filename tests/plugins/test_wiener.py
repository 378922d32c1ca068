import numpy as np
import pytest
import torch
from scipy.signal import convolve

from unblur.errors import ParamsError
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.numerics.border_bands import is_direct
from unblur.numerics.bordered_wiener import BorderedWiener, grid_length, wiener_grid
from unblur.numerics.operators import Blur
from unblur.testing import gaussian, lopsided, synthetic_scene
from unblur_classic.nonblind.wiener import Wiener

CONTEXT = Context(noise=0.005, contrast=0.2)


def dense_minimiser(blurred, kernel, weight, mask):
    """Solve the normal equations of the objective in float64, every matrix written out."""
    domain = Blur(kernel.tensor(), blurred.shape).domain
    if mask.all() and mask.ndim == 2:
        grid = wiener_grid(kernel.shape, mask.shape)
        domain = grid if is_direct(grid, mask.shape) else domain
    size = int(np.prod(domain))
    window = tuple(slice(0, n) for n in blurred.shape)
    units = np.eye(size).reshape(size, *domain)
    weights = kernel.weights.astype(np.float64)
    blurred_units = np.stack(
        [convolve(u, weights, mode="valid", method="direct")[window] for u in units]
    )
    forward = blurred_units.reshape(size, -1).T * mask.reshape(-1, 1)
    steps = [
        (np.roll(units, -1, axis + 1) - units).reshape(size, size).T for axis in range(mask.ndim)
    ]
    normal = forward.T @ forward + weight * sum(d.T @ d for d in steps)
    x = np.linalg.solve(normal, forward.T @ blurred.astype(np.float64).ravel())
    before = [n - 1 - n // 2 for n in kernel.shape]
    return x.reshape(domain)[
        tuple(slice(b, b + n) for b, n in zip(before, mask.shape, strict=True))
    ]


@pytest.mark.parametrize(
    ("extent", "support"),
    [
        ((12, 11), (3, 4)),
        ((12, 11), (1, 4)),
        ((10, 13), (5, 5)),
        ((9, 8), (9, 8)),
        ((6, 5, 7), (2, 3, 3)),
    ],
)
@pytest.mark.parametrize("masked", [False, True])
def test_it_is_the_exact_minimiser_with_an_unknown_border(extent, support, masked):
    given = synthetic_scene(extent, lopsided(support), noise=0.01)
    mask = np.ones(extent)
    if masked:
        mask[tuple(n // 2 for n in extent)] = 0
        mask[tuple(slice(1, 3) for _ in extent)] = 0
    expected = dense_minimiser(given.blurred[0].numpy(), given.kernel, 0.02, mask)
    stage = Wiener(weight=0.02, iterations=200)
    found = stage.deconvolve(
        given.blurred, given.kernel, CONTEXT, torch.tensor(mask, dtype=torch.float32)
    )
    np.testing.assert_allclose(found[0].numpy(), expected, atol=2e-4)


def test_twenty_iterations_are_near_the_minimiser_and_zero_have_a_larger_error():
    given = synthetic_scene((96, 96), Kernel(np.ones((11, 11), np.float32)), noise=0.002)

    def result(iterations):
        return Wiener(weight=1e-3, iterations=iterations).deconvolve(
            given.blurred, given.kernel, CONTEXT
        )

    exact, default, plain = result(300), result(20), result(0)
    assert (default - exact).square().mean().sqrt() < 5e-3
    error = (default - given.sharp).square().mean().sqrt()
    assert error < 0.6 * (plain - given.sharp).square().mean().sqrt()


@pytest.mark.parametrize("size", [21, 33])
@pytest.mark.parametrize("kind", ["diagonal", "disk"])
def test_the_border_solved_directly_agrees_with_conjugate_gradients(kind, size, monkeypatch):
    rows, columns = np.indices((size, size)) - size // 2
    inside = rows == columns if kind == "diagonal" else rows**2 + columns**2 <= 30
    given = synthetic_scene((72, 90), Kernel(inside.astype(np.float32)), noise=0.002)
    direct = Wiener(weight=1e-3).deconvolve(given.blurred, given.kernel, CONTEXT)
    unmasked = torch.ones(given.blurred.shape[1:])
    torch.testing.assert_close(
        Wiener(weight=1e-3).deconvolve(given.blurred, given.kernel, CONTEXT, unmasked), direct
    )
    double = Wiener(weight=1e-3).deconvolve(given.blurred.double(), given.kernel, CONTEXT)
    torch.testing.assert_close(double.float(), direct, atol=1e-4, rtol=0)
    for module in ("unblur_classic.nonblind.wiener", "unblur.numerics.boundaries"):
        monkeypatch.setattr(f"{module}.is_direct", lambda *_: False)
    iterated = Wiener(weight=1e-3, iterations=200)
    exact = iterated.deconvolve(given.blurred, given.kernel, CONTEXT)
    twenty = Wiener(weight=1e-3).deconvolve(given.blurred, given.kernel, CONTEXT)
    assert (direct - exact).square().mean() < (twenty - exact).square().mean()


def test_grid_lengths_have_no_prime_factor_above_13():
    assert [grid_length(n) for n in (1, 17, 23, 2072, 2080)] == [1, 18, 24, 2079, 2080]
    assert not is_direct((11, 11, 11), (9, 9, 9))
    assert not is_direct((230, 230), (32, 32))


@pytest.mark.parametrize("scale", [0.01, 30.0])
def test_a_dim_image_is_restored_like_a_bright_one(scale):
    given = synthetic_scene((64, 64), noise=0.01)
    bright = Wiener().deconvolve(given.blurred, given.kernel, Context())
    dim = Wiener().deconvolve(scale * given.blurred, given.kernel, Context())
    torch.testing.assert_close(dim / scale, bright, atol=1e-3, rtol=0)


def test_noise_comes_from_the_param_then_the_context_then_the_image():
    given = synthetic_scene((64, 64), noise=0.01)

    def roughness(context, **params):
        sharp = Wiener(**params).deconvolve(given.blurred, given.kernel, context)
        return float(sharp.diff(dim=-1).abs().mean())

    expected = roughness(Context(noise=0.05))
    assert roughness(Context(), noise=0.05) == expected
    assert roughness(Context(noise=0.001), noise=0.05) == expected
    assert roughness(Context(noise=0.001)) > roughness(Context()) > expected


def straight(n):
    return Kernel(np.ones((1, n), np.float32))


def disk(radius):
    rows, columns = np.indices((2 * radius + 1,) * 2) - radius
    return Kernel((rows**2 + columns**2 <= radius**2).astype(np.float32))


@pytest.mark.parametrize("kernel", [gaussian((9, 9), 2.0), disk(4), straight(9)])
def test_a_tile_with_its_halo_equals_the_whole_even_where_the_spectrum_has_zeros(kernel):
    stage = Wiener()
    halo = stage.halo(kernel)
    margin, tile = 40, 32
    given = synthetic_scene([tile + 2 * (h + margin) for h in halo], kernel, noise=0.005)
    whole = stage.deconvolve(given.blurred, kernel, CONTEXT)
    padded = tuple(slice(margin, margin + tile + 2 * h) for h in halo)
    part = stage.deconvolve(given.blurred[:, *padded], kernel, CONTEXT)
    crop = tuple(slice(h, h + tile) for h in halo)
    interior = tuple(slice(margin + h, margin + h + tile) for h in halo)
    assert (part[:, *crop] - whole[:, *interior]).abs().max() <= Wiener.tolerance


@pytest.mark.parametrize("kernel", [gaussian((9, 9), 1.2), disk(2)])
@pytest.mark.parametrize("cut_axes", [(True, True), (True, False), (False, True)])
def test_a_tile_extended_smoothly_where_the_image_goes_on_equals_the_whole(kernel, cut_axes):
    stage = Wiener()
    halo = [h + n - 1 for h, n in zip(stage.halo(kernel), kernel.shape, strict=True)]
    given = synthetic_scene([24 + 2 * (h + 20) for h in halo], kernel, noise=0.005)
    whole = stage.deconvolve(given.blurred, kernel, CONTEXT)
    padded = tuple(slice(20, -20) if is_cut else slice(None) for is_cut in cut_axes)
    context = CONTEXT.with_(cut_axes=cut_axes)
    part = torch.empty_like(whole)
    part[:, *padded] = stage.deconvolve(given.blurred[:, *padded], kernel, context)
    inside = tuple(slice(20 + h, -20 - h) for h in halo)
    assert (part - whole)[:, *inside].abs().max() <= Wiener.tolerance


@pytest.mark.parametrize("kernel", [lopsided((5, 8)), disk(3)])
def test_the_axis_that_is_cut_may_be_either(kernel):
    image = synthetic_scene((45, 52), kernel, noise=0.005).blurred[0]
    filters = [
        BorderedWiener(psf, shape, 0.01, cut_axes)
        for psf, shape, cut_axes in (
            (kernel.tensor(), (45, 52), (True, False)),
            (kernel.tensor().T, (52, 45), (False, True)),
        )
    ]
    assert filters[0].grid == filters[1].grid[::-1]
    rows, columns = filters[0].apply(image, 8), filters[1].apply(image.T, 8).T
    torch.testing.assert_close(rows, columns, rtol=0, atol=2e-5)
    smooth = BorderedWiener(kernel.tensor(), (45, 52), 0.01, (True, True)).apply(image, 0)
    assert (rows - smooth).abs().max() > 1e-3


def test_a_tile_is_not_extended_smoothly_with_a_weight_below_that_of_its_halo():
    given = synthetic_scene((48, 48), gaussian((9, 9), 1.2), noise=0.0)
    stage, context = Wiener(model_error=0.0), Context(noise=0.0, contrast=0.2)
    whole = stage.deconvolve(given.blurred, given.kernel, context)
    cut = stage.deconvolve(given.blurred, given.kernel, context.with_(cut_axes=(True, True)))
    assert torch.equal(cut, whole)


def test_the_halo_is_larger_for_kernels_with_spectral_zeros():
    assert max(Wiener().halo(disk(4))) > 2 * max(Wiener().halo(gaussian((9, 9), 1.5)))
    assert Wiener().halo(straight(9))[1] > 5 * Wiener().halo(straight(9))[0]
    assert len(Wiener().halo(gaussian((3, 5, 5), 1.0))) == 3


@pytest.mark.parametrize("support", [(1, 1), (2, 2), (99, 99), (40, 1), (32, 40)])
def test_any_kernel_works_even_one_larger_than_the_image(support):
    given = synthetic_scene((32, 40), gaussian(support, max(support) / 8 + 0.3), noise=0.002)
    result = Wiener().deconvolve(given.blurred, given.kernel, CONTEXT)
    assert result.shape == given.blurred.shape
    assert torch.isfinite(result).all()
    assert result.min() > -0.5
    assert result.max() < 1.5


def test_an_image_without_contrast_is_unchanged():
    flat = torch.full((2, 20, 21), 0.3)
    result = Wiener().deconvolve(flat, gaussian((5, 5), 1.0), Context())
    torch.testing.assert_close(result, flat, atol=1e-5, rtol=0)


@pytest.mark.parametrize("params", [{"noise": 0}, {"noise": "some"}, {"weight": -1}])
def test_params_out_of_bounds_raise(params):
    with pytest.raises(ParamsError, match=next(iter(params))):
        Wiener(params)


@pytest.mark.parametrize("weight", [1e-38, 1e30])
def test_a_weight_beyond_all_use_gives_finite_values(weight):
    given = synthetic_scene((32, 40), gaussian((5, 5), 1.0), noise=0.002)
    found = Wiener(weight=weight).deconvolve(given.blurred, given.kernel, CONTEXT)
    assert torch.isfinite(found).all()
