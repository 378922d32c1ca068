import numpy as np
import pytest
import tifffile
import torch
from scipy.signal import fftconvolve

from unblur.engine import deblur
from unblur.model.context import Context
from unblur.model.image import Image
from unblur.model.kernel import Kernel
from unblur.numerics.operators import Blur
from unblur.pipeline import Pipeline
from unblur.testing import gaussian, lopsided, synthetic_scene
from unblur_classic.nonblind.richardson_lucy.back_projectors import combined_back_projector
from unblur_classic.nonblind.richardson_lucy.iteration import RichardsonLucyIteration
from unblur_classic.nonblind.richardson_lucy.stage import RichardsonLucy, smoothed, tv_divisor
from unblur_classic.nonblind.richardson_lucy.step_sizes import (
    PLAIN,
    accelerated_steps,
    combined_steps,
)

CONTEXT = Context(noise=0.005, contrast=0.2)


def isolated(shape, kernel, noise=0.0):
    """Two boxes far from the border, sharp and blurred."""
    sharp = np.zeros(shape)
    middle = [n // 2 for n in shape]
    sharp[tuple(slice(m - 3, m + 2) for m in middle)] = 0.8
    sharp[tuple(slice(m + 3, m + 5) for m in middle)] = 0.5
    blurred = fftconvolve(sharp, kernel.weights.astype(float), mode="same")
    drawn = np.random.default_rng(0).normal(size=shape)
    return torch.tensor(sharp[None]).float(), torch.tensor((blurred + noise * drawn)[None]).float()


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


@pytest.mark.parametrize("shape", [(48, 48), (14, 24, 24)])
def test_few_accelerated_steps_equal_many_iterations_and_keep_the_flux(shape):
    kernel = gaussian((7,) * len(shape), 1.5)
    sharp, blurred = isolated(shape, kernel, noise=0.01)

    def result(**params):
        return RichardsonLucy(**params).deconvolve(blurred, kernel, CONTEXT)

    accelerated, plain = result(iterations=30), result(iterations=30, accelerate=False)
    assert float((accelerated - sharp).norm()) < 1.01 * float((plain - sharp).norm())
    assert float((accelerated - plain).norm()) < 0.05 * float((plain - blurred).norm())
    assert float(accelerated.min()) >= 0
    assert float(accelerated.sum()) == pytest.approx(float(plain.sum()), rel=2e-3)
    far = slice(0, 8)
    assert float(accelerated[..., far].std()) < 1.02 * float(plain[..., far].std())


def test_accelerated_steps_and_iterations_have_the_same_fixed_point():
    kernel = gaussian((5, 5), 1.0)
    scene = torch.rand(1, 36, 36, generator=torch.Generator().manual_seed(0)) + 0.5
    blur = Blur(kernel.tensor(), (24, 24))
    iteration = RichardsonLucyIteration(blur, blur.forward(scene_on(blur, scene)), 0.0)
    iteration.scene[:] = exact = scene_on(blur, scene)
    for step in accelerated_steps(30):
        assert iteration(step.momentum, step.relaxation)
    torch.testing.assert_close(iteration.scene, exact, atol=1e-5, rtol=0)


def scene_on(blur, scene):
    return scene[:, : blur.domain[0], : blur.domain[1]]


def test_a_step_that_lowers_the_likelihood_is_taken_back():
    kernel = gaussian((5, 5), 1.0)
    blurred = isolated((24, 24), kernel, noise=0.02)[1].clamp_min(0)
    blur = Blur(kernel.tensor(), (24, 24))
    iteration = RichardsonLucyIteration(blur, blurred, 0.0, is_guarded=True)
    iteration.scene[:] = blur.extend(blurred + 1e-3)
    assert iteration()
    before = iteration.scene.clone()
    assert iteration(0.0, 40.0)
    assert not iteration(0.0, 1.0)
    torch.testing.assert_close(iteration.scene, before, rtol=1e-4, atol=1e-6)
    assert iteration()


@pytest.mark.parametrize("iterations", [1, 2, 3, 4, 5, 10, 30, 31, 100, 1000])
def test_accelerated_steps_are_worth_the_iterations(iterations):
    steps = accelerated_steps(iterations)
    assert steps[-1][:2] == PLAIN
    assert steps[-1].progress == iterations
    assert len(steps) <= iterations
    assert sorted(step.progress for step in steps) == [step.progress for step in steps]


def volume(kernel, shape=(20, 26, 24), noise=0.01, seed=0):
    """A smooth random volume, sharp and blurred, with noise."""
    given = synthetic_scene(shape, kernel, noise=noise, seed=seed)
    return given.sharp, given.blurred


COMPACT = gaussian((7, 7, 7), 1.1)


@pytest.mark.parametrize("iterations", [3, 4, 5, 10, 30, 100, 1000])
def test_combined_steps_are_worth_the_iterations(iterations):
    steps, each = combined_steps(iterations)
    assert steps[-1][:2] == PLAIN
    assert steps[-1].progress == iterations
    assert len(steps) <= len(accelerated_steps(iterations))
    assert [step.is_combined for step in steps[:-1]] == [each > 0] * (len(steps) - 1)
    assert sorted(step.progress for step in steps) == [step.progress for step in steps]


def test_a_combined_step_equals_many_iterations_near_a_scene_and_has_the_same_fixed_point():
    blur = Blur(COMPACT.tensor(), (20, 20, 20))
    texture = torch.rand(1, *blur.domain, generator=torch.Generator().manual_seed(0)) - 0.5
    combined = combined_back_projector(COMPACT.tensor(), 6)
    inner, results = (..., *[slice(9, 15)] * 3), []
    for combines, count in ((False, 6), (True, 1)):
        data = blur.forward(torch.ones(1, *blur.domain))
        iteration = RichardsonLucyIteration(blur, data, 0.0, combined_kernel=combined)
        iteration.scene[:] = 1
        assert iteration(is_combined=combines)
        torch.testing.assert_close(iteration.scene, torch.ones_like(iteration.scene))
        iteration.scene[:] = start = 1 + 0.02 * texture
        assert all(iteration(is_combined=combines) for _ in range(count))
        results.append((iteration.scene - start)[inner])
    plain, once = results
    assert float((once - plain).norm()) < 0.15 * float(plain.norm())


def test_combined_steps_of_a_volume_are_fewer_and_not_noisier():
    sharp, blurred = volume(COMPACT)
    again = volume(COMPACT, noise=0.0)[1] + (blurred - volume(COMPACT, noise=0.0)[1]).flip(1, 2, 3)
    stages = RichardsonLucy(iterations=20), RichardsonLucy(iterations=20, accelerate=False)
    many, plain = (
        [stage.deconvolve(y.clamp_min(0), COMPACT, CONTEXT) for y in (blurred, again)]
        for stage in stages
    )
    ticks = []
    context = Context(noise=0.005, on_progress=ticks.append)
    stages[0].deconvolve(blurred, COMPACT, context)
    assert 0 < len(ticks) <= len(accelerated_steps(20)) // 2 + 1
    inner = (..., *[slice(3, -3)] * 3)
    for part, allowed in ((..., 1.07), (inner, 1.01)):
        errors = [float((found[0] - sharp)[part].norm()) for found in (many, plain)]
        assert errors[0] < allowed * errors[1]
    assert float((many[0] - many[1]).norm()) < float((plain[0] - plain[1]).norm())
    assert float(many[0].min()) >= 0
    assert float(many[0].sum()) == pytest.approx(float(blurred.sum()), rel=5e-3)


def test_where_a_combined_step_lowers_the_likelihood_accelerated_ones_follow(monkeypatch):
    sharp = torch.zeros(1, 22, 22, 22)
    sharp[0, 6:16:4, 8:14, 10] = 1
    blur = Blur(COMPACT.tensor(), (16, 16, 16))
    blurred = blur.forward(blur.extend(sharp[:, 3:-3, 3:-3, 3:-3])).clamp_min(0)
    found = RichardsonLucy(iterations=30).deconvolve(blurred, COMPACT, CONTEXT)
    monkeypatch.setattr("unblur_classic.nonblind.richardson_lucy.back_projectors.MAX_LOST", -1.0)
    without = RichardsonLucy(iterations=30).deconvolve(blurred, COMPACT, CONTEXT)
    torch.testing.assert_close(found, without, rtol=1e-3, atol=1e-3)


def test_a_tile_of_a_volume_equals_the_whole_with_combined_steps():
    kernel = gaussian((5, 5, 5), 0.8)
    assert combined_back_projector(kernel.tensor(), 3) is not None
    blurred = volume(kernel, (20, 20, 90), noise=0.005)[1]
    stage = RichardsonLucy(iterations=5)
    whole = stage.deconvolve(blurred, kernel, CONTEXT)
    margin = stage.halo(kernel)[2]
    tile = blurred[..., 40 - margin : 50 + margin]
    part = stage.deconvolve(tile, kernel, CONTEXT)[..., margin:-margin]
    torch.testing.assert_close(part, whole[..., 40:50], atol=1e-5, rtol=0)


def test_only_compact_kernels_have_a_combined_back_projector():
    disk = torch.tensor(np.hypot(*np.ogrid[-4:5, -4:5]) <= 3.5).float()
    assert combined_back_projector(disk / disk.sum(), 6) is None
    compact = combined_back_projector(COMPACT.tensor(), 6)
    assert compact is not None
    assert float(compact.sum()) == pytest.approx(1, abs=1e-5)


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
