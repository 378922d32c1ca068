import io

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from scipy.optimize import minimize
from scipy.signal import convolve

from unblur.engine import deblur
from unblur.errors import ParamsError
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.numerics.fourier import apply_otf
from unblur.numerics.metrics import levin_aligned, psnr
from unblur.numerics.operators import Blur
from unblur.numerics.proximal import shrink
from unblur.numerics.synthesis import blur_image, crop_valid
from unblur.pipeline import Pipeline
from unblur.testing import gaussian, lopsided, synthetic_scene
from unblur_classic.nonblind import differences
from unblur_classic.nonblind.differences import Differences
from unblur_classic.nonblind.hyper_laplacian import HyperLaplacian
from unblur_classic.nonblind.total_variation import TotalVariation
from unblur_classic.nonblind.wiener import Wiener

CONTEXT = Context(noise=0.005, contrast=0.2)


@pytest.mark.parametrize("exponent", [0.1, 0.5, 2 / 3, 0.8, 0.95, 1.0])
@pytest.mark.parametrize("weight", [1e-4, 0.03, 2.0])
def test_shrinkage_finds_the_minimum_of_a_fine_grid(exponent, weight):
    x = torch.linspace(-4, 4, 81) * weight ** (1 / (2 - exponent))
    found = shrink(x, weight, exponent).double().numpy()
    for value, u in zip(x.double().numpy(), found, strict=True):
        grid = np.linspace(0, 1, 20001) * value
        energy = weight * np.abs(grid) ** exponent + (grid - value) ** 2 / 2
        reached = weight * np.abs(u) ** exponent * (u != 0) + (u - value) ** 2 / 2
        assert reached <= energy.min() * (1 + 1e-5) + 1e-12


@pytest.mark.parametrize("shape", [(6, 8), (4, 6, 5)])
@pytest.mark.parametrize("curvature", [0.0, 0.25])
def test_without_shrinkage_the_differences_equal_their_transfer_function(shape, curvature):
    x = torch.rand((2, *shape), dtype=torch.float64)
    differences = Differences(len(shape), curvature)
    direct = differences.shrink_sum(x, 0.0, 0.5)
    filtered = apply_otf(x, differences.power(shape, x) + 0j, len(shape))
    torch.testing.assert_close(direct, filtered)
    pairs = len(shape) * (len(shape) + 1) // 2 if curvature else 0
    assert len(differences.terms) == len(shape) + pairs


@pytest.mark.parametrize("shape", [(2, 41, 57), (3, 2, 9), (1, 3, 2), (1, 1, 1)])
@pytest.mark.parametrize("weight", [1e-4, 0.02, 1.5])
def test_compiled_differences_are_the_same(shape, weight, monkeypatch, two_threads):
    pytest.importorskip("numba")
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(shape, generator=generator) * 3 - 1
    term = Differences(2, 0.25)
    expected = term.shrink_sum(x, weight, 2 / 3)
    monkeypatch.setattr(differences, "COMPILED_FROM", 1)
    monkeypatch.setattr(differences, "shrink", None)  # so that the test fails without the loops
    found = term.shrink_sum(x, weight, 2 / 3)
    torch.set_num_threads(1)
    # On the ramp rounding is enlarged by its slope, 10, and by the adjoints.
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    assert torch.equal(term.shrink_sum(x, weight, 2 / 3), found)


def test_compiled_differences_keep_nan_and_need_plain_planes(monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setattr(differences, "COMPILED_FROM", 1)
    x = torch.rand(1, 12, 16)
    x[0, 4, 5] = torch.nan
    found = Differences(2, 0.25).shrink_sum(x, 0.02, 2 / 3)
    assert found[0, 2:7, 3:8].isnan()[[0, 2, 2, 4], [2, 0, 4, 2]].all()
    assert found[0, 8:].isfinite().all()
    plain = torch.rand(1, 12, 16)
    for other in (plain.double(), plain.mT, plain[None]):
        assert not differences.is_compiled(other, 2 / 3)
    assert not differences.is_compiled(plain, 0.5)


def test_at_exponent_one_it_approaches_the_minimum_that_scipy_finds():
    """A convex case in float64: blur, differences and border written out anew with numpy."""
    given = synthetic_scene((14, 13), lopsided((3, 4)), noise=0.01)
    weight, domain = 0.01, Blur(given.kernel.tensor(), (14, 13)).domain
    y, k = given.blurred[0].double().numpy(), given.kernel.weights.astype(float)
    flipped = k[::-1, ::-1]

    def objective(flat, smooth=1e-10):
        x = flat.reshape(domain)
        residual = convolve(x, k, mode="valid")[:14, :13] - y
        back = np.zeros(domain)
        back[: 14 + k.shape[0] - 1, : 13 + k.shape[1] - 1] = convolve(residual, flipped)
        value = 0.5 * (residual**2).sum()
        for axis in (0, 1):
            difference = np.roll(x, -1, axis) - x
            length = np.sqrt(difference**2 + smooth)
            value += weight * length.sum()
            flux = weight * difference / length
            back += np.roll(flux, 1, axis) - flux
        return value, back.ravel()

    start = np.full(np.prod(domain), y.mean())
    minimum = minimize(
        objective, start, args=(1e-6,), jac=True, method="L-BFGS-B", options={"maxiter": 5000}
    )
    stage = HyperLaplacian(weight=weight, exponent=1, curvature=0)
    found = stage.solve(given.blurred, given.kernel, CONTEXT)[0]
    reached = objective(found[0].double().numpy().ravel())[0]
    assert reached < 1.05 * minimum.fun


def test_it_beats_the_quadratic_prior_where_edges_are_sparse():
    given = synthetic_scene((96, 96), gaussian((9, 9), 1.6), noise=0.01)
    context = Context(noise=0.01)
    sparse = HyperLaplacian(model_error=0).deconvolve(given.blurred, given.kernel, context)
    smooth = Wiener(model_error=0).deconvolve(given.blurred, given.kernel, context)
    assert psnr(sparse, given.sharp) > psnr(smooth, given.sharp) + 1.5


def test_the_border_is_as_good_as_the_middle():
    given = synthetic_scene((96, 96), Kernel(np.ones((9, 9), np.float32)), noise=0.002)
    result = HyperLaplacian().deconvolve(given.blurred, given.kernel, CONTEXT)
    error = (result - given.sharp).square()[0]
    middle = error[12:-12, 12:-12].mean()
    assert (error.mean() * error.numel() - middle * 72 * 72) / (
        error.numel() - 72 * 72
    ) < 4 * middle


@pytest.mark.parametrize("scale", [0.01, 30.0])
def test_a_dim_image_is_restored_like_a_bright_one(scale):
    given = synthetic_scene((64, 64), noise=0.01)
    bright = HyperLaplacian().deconvolve(given.blurred, given.kernel, Context())
    dim = HyperLaplacian().deconvolve(scale * given.blurred, given.kernel, Context())
    assert (dim / scale - bright).square().mean().sqrt() < 2e-3


def test_a_given_weight_does_not_depend_on_the_contrast():
    given = synthetic_scene((48, 48), noise=0.01)

    def result(contrast):
        context = Context(noise=0.01, contrast=contrast)
        return HyperLaplacian(weight=2e-3, exponent=1, curvature=0).deconvolve(
            given.blurred, given.kernel, context
        )

    assert (result(0.2) - result(0.3)).square().mean().sqrt() < 5e-3


@pytest.mark.parametrize("support", [(1, 1), (2, 2), (99, 99), (40, 1), (32, 40)])
def test_any_kernel_works_even_one_larger_than_the_image(support):
    given = synthetic_scene((32, 40), gaussian(support, max(support) / 8 + 0.3), noise=0.002)
    result = HyperLaplacian().deconvolve(given.blurred, given.kernel, CONTEXT)
    assert result.shape == given.blurred.shape
    assert torch.isfinite(result).all()
    assert (result - given.blurred).abs().max() < 1


def test_the_ramp_replaces_the_jump():
    weight, exponent, step = 1.0, 2 / 3, 1e-3
    x = torch.arange(0, 4, step)
    jump, ramp = shrink(x, weight, exponent), shrink(x, weight, exponent, 0.1)
    assert jump.diff().max() > 0.5
    assert ramp.diff().max() < 20 * step
    beyond = jump >= 1.1 * jump[jump > 0].min()
    assert torch.equal(ramp[beyond], jump[beyond])
    assert (ramp <= jump).all()


def test_rounding_errors_are_not_amplified():
    given = synthetic_scene((64, 64), gaussian((7, 7), 1.2), noise=0.005)
    drawn = torch.randn(given.blurred.shape, generator=torch.Generator().manual_seed(1))
    first = HyperLaplacian().deconvolve(given.blurred, given.kernel, CONTEXT)
    second = HyperLaplacian().deconvolve(given.blurred + 1e-7 * drawn, given.kernel, CONTEXT)
    assert (first - second).abs().max() < 1e-4


def test_a_tile_with_its_halo_equals_the_whole():
    kernel = Kernel(np.ones((1, 7), np.float32))
    stage = HyperLaplacian()
    halo = stage.halo(kernel)
    margin, tile = 30, 24
    given = synthetic_scene([tile + 2 * (h + margin) for h in halo], kernel, noise=0.005)
    whole = stage.deconvolve(given.blurred, kernel, CONTEXT)
    padded = tuple(slice(margin, margin + tile + 2 * h) for h in halo)
    part = stage.deconvolve(given.blurred[:, *padded].contiguous(), kernel, CONTEXT)
    crop = tuple(slice(h, h + tile) for h in halo)
    interior = tuple(slice(margin + h, margin + h + tile) for h in halo)
    difference = (part[:, *crop] - whole[:, *interior]).abs()
    assert difference.max() <= HyperLaplacian.tolerance
    assert difference.square().mean().sqrt() < 1e-3


def test_an_image_without_contrast_is_unchanged():
    flat = torch.full((2, 20, 21), 0.3)
    result = HyperLaplacian().deconvolve(flat, gaussian((5, 5), 1.0), Context())
    torch.testing.assert_close(result, flat, atol=1e-4, rtol=0)


@pytest.mark.parametrize("params", [{"exponent": 0}, {"exponent": 1.1}, {"curvature": -1}])
def test_params_out_of_bounds_raise(params):
    with pytest.raises(ParamsError, match=next(iter(params))):
        HyperLaplacian(params)


def test_psnr_on_real_shaken_photographs(shared):
    """Four of Levin's 32 pairs; `unblur bench` runs them all."""
    folder, scores = shared / "data/levin09", []
    for image, number in [(1, 1), (2, 3), (3, 5), (4, 7)]:

        def plane(name):
            return np.asarray(Image.open(folder / name)).astype(np.float32) / 65535

        y = torch.tensor(plane(f"blurred_16bit/im{image}_kernel{number}_img.png"))[None]
        truth = plane(f"sharp_16bit/im{image}_kernel{number}.png")
        kernel = Kernel(tifffile.imread(folder / f"kernels_f32/kernel{number}.tif"))
        result = HyperLaplacian().deconvolve(y, kernel, Context())
        scores.append(levin_aligned(result[0], truth, search=3).psnr)
    assert np.mean(scores) > 35.2


# JPEG compression.


def through_jpeg(image, quality=75):
    """Return an image (H, W) after storage as JPEG, white = 1: (1, H, W)."""
    file = io.BytesIO()
    Image.fromarray((255 * image.clamp(0, 1).numpy()).round().astype(np.uint8)).save(
        file, "JPEG", quality=quality
    )
    return torch.from_numpy(np.asarray(Image.open(file), np.float32) / 255)[None]


def grid_ratio(image):
    """Return the squared steps at the borders of JPEG blocks over those elsewhere, both axes."""
    ratios = []
    for x in (image, image.mT):
        d = x.diff(dim=-1)
        steps = (d[..., 1:-1] - (d[..., :-2] + d[..., 2:]) / 2).square()
        at = torch.arange(steps.shape[-1]) % 8 == 6
        ratios.append(float(steps[..., at].mean() / steps[..., ~at].mean()))
    return max(ratios)


@pytest.fixture(scope="module")
def jpeg():
    """Return a blurred photograph stored as JPEG, its kernel, and the sharp one, (1, 96, 96)."""
    draw = torch.Generator().manual_seed(3)
    coarse = torch.rand(1, 1, 14, 14, generator=draw)
    sharp = torch.nn.functional.interpolate(coarse, (104, 104), mode="bilinear")[0, 0]
    sharp[30:60, 40:70] += 0.3
    kernel = gaussian((9, 9), 1.5)
    blurred = blur_image(sharp, kernel)
    noise = 0.005 * torch.randn(blurred.shape, generator=draw)
    return through_jpeg(blurred + noise), kernel, crop_valid(sharp, kernel)[None]


def test_jpeg_blocks_are_not_sharpened_into_a_grid(jpeg):
    blurred, kernel, sharp = jpeg
    before = grid_ratio(blurred)
    plain, aware = (
        HyperLaplacian(jpeg_noise=wanted).deconvolve(blurred, kernel, Context())
        for wanted in (False, True)
    )
    assert before > 2
    assert grid_ratio(aware) < 0.6 * before
    assert (aware - sharp).square().mean() < (plain - sharp).square().mean()


def test_an_image_without_jpeg_blocks_is_unchanged_by_the_param(jpeg):
    _, kernel, sharp = jpeg
    results = [
        HyperLaplacian(jpeg_noise=wanted).deconvolve(sharp, kernel, Context())
        for wanted in (False, True)
    ]
    assert torch.equal(*results)


def test_tiles_take_the_jpeg_errors_of_the_calibration(jpeg):
    blurred, kernel, sharp = jpeg
    stage = HyperLaplacian(jpeg_noise=True)
    calibrated = stage.calibrate(blurred, kernel, Context())
    assert calibrated.block_noise > 0.001
    whole = stage.deconvolve(blurred, kernel, Context())
    assert torch.equal(calibrated.deconvolve(blurred, kernel, Context()), whole)
    assert not torch.equal(
        calibrated.deconvolve(sharp, kernel, Context()), stage.deconvolve(sharp, kernel, Context())
    )
    assert HyperLaplacian().calibrate(blurred, kernel, Context()).block_noise is None


def test_small_parts_of_a_large_image_are_compiled_too(monkeypatch):
    pytest.importorskip("numba")
    x = torch.rand(1, 12, 16)
    assert not differences.is_compiled(x, 2 / 3)
    assert differences.is_compiled(x, 2 / 3, differences.COMPILED_FROM)
    seen, solve = [], HyperLaplacian.solve

    def recorded(stage, blurred, kernel, context, mask=None):
        seen.append(context.image_values)
        return solve(stage, blurred, kernel, context, mask)

    monkeypatch.setattr(HyperLaplacian, "solve", recorded)
    image = np.random.default_rng(0).random((3, 80, 90), np.float32)
    pipeline = Pipeline(summary="Test.", steps=[{"deconvolve": "hyper-laplacian"}])
    deblur(image, pipeline, psf=gaussian((5, 5), 1.0), axes="ZYX", tile=64)
    assert set(seen) == {3 * 80 * 90}


@pytest.mark.parametrize("stage", [HyperLaplacian(), TotalVariation(iterations=20)])
@pytest.mark.parametrize("window_axes", [(True, True), (True, False), (False, True)])
def test_a_window_that_is_cut_out_equals_the_whole_beyond_its_halo(stage, window_axes):
    kernel = gaussian((9, 9), 1.2)
    halo = [h + n - 1 for h, n in zip(stage.halo(kernel), kernel.shape, strict=True)]
    given = synthetic_scene([24 + 2 * (h + 20) for h in halo], kernel, noise=0.005)
    whole = stage.deconvolve(given.blurred, kernel, CONTEXT)
    padded = tuple(slice(20, -20) if is_cut else slice(None) for is_cut in window_axes)
    context = CONTEXT.with_(window_axes=window_axes)
    part = torch.empty_like(whole)
    part[:, *padded] = stage.deconvolve(given.blurred[:, *padded], kernel, context)
    inside = tuple(slice(20 + h, -20 - h) for h in halo)
    assert (part - whole)[:, *inside].abs().max() <= stage.tolerance
