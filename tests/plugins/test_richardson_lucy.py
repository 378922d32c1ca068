import numpy as np
import pytest
import tifffile
import torch
from scipy.signal import fftconvolve

from scenes_for_tests import isolated
from unblur.engine import deblur
from unblur.model.context import Context
from unblur.model.image import Image
from unblur.model.kernel import Kernel
from unblur.numerics.operators import Blur
from unblur.pipeline import Pipeline
from unblur.testing import gaussian, lopsided, synthetic_scene
from unblur_classic.nonblind.richardson_lucy import RichardsonLucy
from unblur_classic.nonblind.richardson_lucy.scene_estimation import smoothed, tv_divisor

CONTEXT = Context(noise=0.005, contrast=0.2)


def test_it_equals_the_textbook_iteration_where_the_border_is_zero():
    kernel = lopsided((5, 7))
    _, blurred = isolated((48, 48), kernel)
    y, k = blurred[0].double().numpy().clip(0), kernel.weights.astype(float)
    x = y.copy()
    for _ in range(20):
        model = fftconvolve(x, k, mode="same").clip(0) + 1e-6
        x = x * fftconvolve(y / model, k[::-1, ::-1], mode="same")
    stage = RichardsonLucy(iterations=20, accelerate=False)
    found = stage.deconvolve(blurred, kernel, CONTEXT)[0].numpy()
    inner = slice(8, -8)
    np.testing.assert_allclose(found[inner, inner], x[inner, inner], atol=2e-3)


@pytest.mark.parametrize("shape", [(48, 50), (20, 24, 22)])
def test_it_sharpens_stays_non_negative_and_keeps_the_flux(shape):
    kernel = gaussian((7,) * len(shape), 1.5)
    sharp, blurred = isolated(shape, kernel)
    found = RichardsonLucy(iterations=30).deconvolve(blurred, kernel, CONTEXT)
    assert float(found.min()) >= 0
    assert float(found.sum()) == pytest.approx(float(blurred.sum()), rel=1e-3)
    assert float((found - sharp).norm()) < 0.8 * float((blurred - sharp).norm())


def test_the_error_at_the_border_is_similar_to_that_in_the_middle():
    given = synthetic_scene((96, 96), gaussian((13, 13), 2.5))
    found = RichardsonLucy(iterations=30).deconvolve(given.blurred, given.kernel, CONTEXT)
    error = (found - given.sharp).abs()[0]
    assert float(error[:8].mean()) < 1.5 * float(error[8:-8, 8:-8].mean())


def test_a_tile_with_its_halo_equals_the_whole():
    given = synthetic_scene((200, 200), gaussian((9, 9), 1.6), noise=0.005)
    stage = RichardsonLucy(iterations=20)
    whole = stage.deconvolve(given.blurred, given.kernel, CONTEXT)
    top, left = stage.halo(given.kernel)
    tile = given.blurred[:, 90 - top : 110 + top, 80 - left : 120 + left]
    part = stage.deconvolve(tile, given.kernel, CONTEXT)[:, top:-top, left:-left]
    torch.testing.assert_close(part, whole[:, 90:110, 80:120], atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("params", "allowed"),
    [
        ({"accelerate": False, "initial": "smoothed"}, 1e-5),
        ({"tv": 0.01}, RichardsonLucy.tolerance),
    ],
)
def test_tiles_agree_with_acceleration_and_with_tv(params, allowed):
    given = synthetic_scene((200, 200), gaussian((9, 9), 1.6), noise=0.005)
    stage = RichardsonLucy(iterations=15, **params)
    whole = stage.deconvolve(given.blurred, given.kernel, CONTEXT)
    top, left = stage.halo(given.kernel)
    tile = given.blurred[:, 90 - top : 110 + top, 80 - left : 120 + left]
    part = stage.deconvolve(tile, given.kernel, CONTEXT)[:, top:-top, left:-left]
    assert (part - whole[:, 90:110, 80:120]).abs().max() <= allowed


def test_two_iterations_of_an_unmatched_back_projector_are_a_preview():
    given = synthetic_scene((64, 64), gaussian((9, 9), 1.8), noise=0.005)

    def error(**params):
        found = RichardsonLucy(**params).deconvolve(given.blurred, given.kernel, CONTEXT)
        return float((found - given.sharp).norm())

    preview = RichardsonLucy(iterations=2, back_projector="wiener-butterworth")
    assert error(**dict(preview.params)) < error(iterations=4, accelerate=False)
    assert "preview" in preview.warnings()[0]
    image = Image(given.blurred[0].numpy(), "YX")
    pipeline = {"summary": "x", "steps": [{"deconvolve": preview.name, "params": {
        "iterations": 2, "back_projector": "wiener-butterworth"}}]}  # fmt: skip
    result = deblur(image, Pipeline.model_validate(pipeline), given.kernel, device="cpu")
    assert any("preview" in sentence for sentence in result.report.warnings)


def test_the_smoothed_initial_scene_is_the_image_blurred_twice_over_that_of_ones():
    kernel = lopsided((5, 7))
    blur = Blur(kernel.tensor(), (20, 24))
    scene = torch.rand(1, *blur.domain) + 0.1
    k = kernel.weights.astype(float)

    def twice(x):
        return fftconvolve(fftconvolve(x, k, mode="valid"), k[::-1, ::-1])

    expected = twice(scene[0].double().numpy()) / twice(np.ones(blur.domain))
    np.testing.assert_allclose(smoothed(blur, scene)[0].numpy(), expected, rtol=1e-3)


def test_noise_that_the_kernel_does_not_transmit_is_less_from_a_smoothed_initial_scene():
    kernel = gaussian((13, 13), 2.5)
    noisy = 0.5 + 0.05 * torch.randn(1, 48, 48, generator=torch.Generator().manual_seed(0))
    spreads = []
    for initial in ("image", "smoothed"):
        found = RichardsonLucy(iterations=10, initial=initial).deconvolve(noisy, kernel, CONTEXT)
        spreads.append(float(found[:, 8:-8, 8:-8].std()))
    assert spreads[1] < 0.5 * spreads[0]


def test_the_halo_never_exceeds_the_exact_bound():
    kernel = gaussian((9, 9), 3.0)
    assert RichardsonLucy(iterations=1).halo(kernel) == (8, 8)
    assert RichardsonLucy(iterations=400).halo(kernel)[0] < 400


def test_the_values_of_masked_pixels_do_not_matter():
    given = synthetic_scene((64, 64), noise=0.002)
    mask = torch.ones(64, 64)
    mask[20:24, 30:40] = 0
    stage = RichardsonLucy(iterations=10)
    dark = stage.deconvolve(given.blurred * mask, given.kernel, CONTEXT, mask)
    bright = stage.deconvolve(given.blurred * mask + (1 - mask), given.kernel, CONTEXT, mask)
    torch.testing.assert_close(dark, bright, atol=1e-4, rtol=0)


@pytest.mark.parametrize("stop", ["discrepancy", "gradient-consensus"])
def test_more_noise_stops_sooner_and_near_the_best_iteration(stop):
    def steps(noise):
        given = synthetic_scene((96, 96), gaussian((9, 9), 1.6), noise=noise)
        context = Context(noise=noise)

        def error(stage):
            found = stage.deconvolve(given.blurred, given.kernel, context)
            return float((found - given.sharp).norm())

        calibrated = RichardsonLucy(iterations=100, stop=stop).calibrate(
            given.blurred, given.kernel, context
        )
        assert calibrated.params.stop == "fixed"
        best = min(error(RichardsonLucy(iterations=n)) for n in (1, 3, 10, 30))
        assert error(calibrated) < 1.05 * best
        return calibrated.params.iterations

    assert steps(0.05) < steps(0.01) < 100


def test_local_consensus_leaves_noise_of_the_sky_as_it_is_and_sharpens_stars():
    kernel = gaussian((9, 9), 1.8)
    sky = torch.full((1, 96, 96), 0.05)
    sky[0, 16::32, 16::32] += 8
    blurred = torch.from_numpy(fftconvolve(sky[0].numpy(), kernel.weights, mode="same"))[None]
    blurred += 0.005 * torch.randn(blurred.shape, generator=torch.Generator().manual_seed(0))
    empty = slice(28, 36), slice(8, 88)
    noise = float(blurred[0][empty].std())

    def results(stop):
        stage = RichardsonLucy(iterations=30, stop=stop)
        found = stage.deconvolve(blurred, kernel, CONTEXT)[0]
        return float(found[empty].std()) / noise, float(found[16::32, 16::32].mean())

    (mottle, peak), (rough, sharp) = results("local-gradient-consensus"), results("fixed")
    assert mottle < 1.15 < 1.4 < rough
    assert peak > 0.8 * sharp > 2.5 * float(blurred[0, 16::32, 16::32].mean())


@pytest.mark.parametrize("first", [(90, 80), (91, 80)])
def test_tiles_agree_with_local_consensus_at_even_and_odd_pixels(first):
    given = synthetic_scene((160, 160), gaussian((7, 7), 1.2), noise=0.005)
    stage = RichardsonLucy(iterations=6, stop="local-gradient-consensus")
    whole = stage.deconvolve(given.blurred, given.kernel, CONTEXT)
    halo = stage.halo(given.kernel)[0]
    wide, crop = (slice(a - halo, a + 16 + halo) for a in first), (..., *[slice(halo, -halo)] * 2)
    tile = stage.deconvolve(given.blurred[(..., *wide)].contiguous(), given.kernel, CONTEXT)[crop]
    core = (..., *(slice(a, a + 16) for a in first))
    torch.testing.assert_close(tile, whole[core], atol=1e-5, rtol=0)


def test_local_consensus_needs_a_kernel_of_more_than_one_pixel():
    blurred = synthetic_scene((32, 32)).blurred
    stage = RichardsonLucy(iterations=2, stop="local-gradient-consensus")
    found = stage.deconvolve(blurred, Kernel(torch.ones(1, 1)), CONTEXT)
    torch.testing.assert_close(found, blurred)


def test_tv_flattens_noise_and_its_divisor_is_one_where_the_scene_is_flat():
    given = synthetic_scene((96, 96), gaussian((9, 9), 1.8), noise=0.03)

    def error(tv):
        stage = RichardsonLucy(iterations=40, tv=tv)
        return float((stage.deconvolve(given.blurred, given.kernel, CONTEXT) - given.sharp).norm())

    assert error(0.02) < 0.95 * error(0.0)
    torch.testing.assert_close(tv_divisor(torch.ones(1, 8, 8), 0.1), torch.ones(1, 8, 8))


@pytest.mark.parametrize("background", [0.1, "auto"])
def test_the_background_is_kept_as_the_lower_bound(background):
    kernel = gaussian((7, 7), 1.5)
    sharp, blurred = isolated((48, 48), kernel)
    stage = RichardsonLucy(iterations=60, background=background)
    found = stage.deconvolve(blurred + 0.1, kernel, CONTEXT) - 0.1
    assert float((found - sharp).norm()) < 0.8 * float((blurred - sharp).norm())
    assert float(found.min()) > -1e-3
    plain = RichardsonLucy(iterations=60).deconvolve(blurred + 0.1, kernel, CONTEXT) - 0.1
    assert float(plain.min()) < -0.02  # a dark ring


def test_the_background_of_tiles_is_that_of_the_image():
    blurred = torch.linspace(0, 1, 101)[None, None].expand(1, 30, -1)
    mask = torch.ones(30, 101)
    mask[:, :10] = 0
    calibrated = RichardsonLucy(background="auto").calibrate(
        blurred, gaussian((3, 3), 1), CONTEXT, mask
    )
    assert calibrated.params.background == pytest.approx(0.1, abs=0.02)
    assert RichardsonLucy().calibrate(blurred, gaussian((3, 3), 1), CONTEXT).params.background == 0


def test_the_error_of_a_real_cell_stack_falls_and_its_flux_is_kept(shared):
    cells = tifffile.imread(shared / "data/microscopy/widefield_dapi_stack/dapi_001.tif").astype(
        float
    )
    sharp = cells[:, 20:180, :] / cells.max()
    kernel = gaussian((9, 11, 11), 2.0)
    blurred = fftconvolve(sharp, kernel.weights.astype(float), mode="valid")
    truth = torch.tensor(sharp[4:-4, 5:-5, 5:-5]).float()
    observed = torch.tensor(blurred[None]).float()
    found = RichardsonLucy(iterations=15).deconvolve(observed, kernel, CONTEXT)[0]

    def correlation(stack):
        return float(torch.corrcoef(torch.stack([stack.flatten(), truth.flatten()]))[0, 1])

    assert 1 - correlation(found) < 0.75 * (1 - correlation(observed[0]))
    assert float(found.sum()) == pytest.approx(float(observed.sum()), rel=5e-3)


def test_simulated_bars_with_a_psf_as_large_as_the_stack(shared):
    folder = shared / "data/microscopy/bars_simulated_3d"
    truth, data, psf = (
        tifffile.imread(folder / f"{name}.tif").astype(np.float32)
        for name in ("actual", "data", "kernel")
    )
    blurred = torch.tensor(data / data.max())[None]
    found = RichardsonLucy(iterations=30).deconvolve(blurred, Kernel(psf.clip(0)), CONTEXT)[0]
    before, after = (np.corrcoef(v.ravel(), truth.ravel())[0, 1] for v in (data, found.numpy()))
    assert after > before + 0.2
