import numpy as np
import pytest
import torch

from unblur.engine import deblur
from unblur.errors import Cancelled, ImageError, ParamsError
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.testing import gaussian, synthetic_scene
from unblur_selfdeblur import optimisation
from unblur_selfdeblur.divergence import Diverged, Plateau, raise_if_diverged
from unblur_selfdeblur.fit_target import FitTarget, most_textured_square
from unblur_selfdeblur.loss_terms import blur_valid
from unblur_selfdeblur.optimisation import DipResult, Observation
from unblur_selfdeblur.schedule import LossPhase, Schedule
from unblur_selfdeblur.selection import best_of, score_result
from unblur_selfdeblur.stage import SelfDeblur

pytestmark = pytest.mark.usefixtures("one_thread")

BENT = np.zeros((7, 7), np.float32)
BENT[[1, 2, 3, 4, 5, 5], [2, 2, 3, 3, 4, 5]] = [1, 2, 3, 2, 1, 2]


@pytest.fixture(scope="module")
def shaken():
    return synthetic_scene((60, 64), Kernel(BENT), noise=0.002, seed=4)


def estimate(blurred, context=None, mask=None, **params):
    quick = {"size": 7, "iterations": 4, "width": 4, **params}
    return SelfDeblur(quick).estimate(blurred, context or Context(), mask)


def test_image_and_kernel_fit_the_data(shaken):
    """Blurred by the kernel, the image is the input; before the optimisation it is not."""

    def unexplained(found):
        kernel = torch.tensor(found.kernel.weights)
        model = blur_valid(found.latent, kernel)
        before = kernel.shape[-1] - 1 - kernel.shape[-1] // 2
        rows, columns = model.shape[-2:]
        cut = shaken.blurred[:, before : before + rows, before : before + columns]
        return float((model - cut).square().mean().sqrt() / shaken.blurred.std())

    begun, done = (estimate(shaken.blurred, iterations=n, width=8) for n in (2, 120))
    assert unexplained(done) < 0.3
    assert unexplained(done) < 0.5 * unexplained(begun)


def test_a_seed_decides_every_bit(shaken):
    first, again, other = (
        estimate(shaken.blurred, Context(seed=seed), iterations=8) for seed in (5, 5, 6)
    )
    assert torch.equal(first.latent, again.latent)
    np.testing.assert_array_equal(first.kernel.weights, again.kernel.weights)
    assert not torch.equal(first.latent, other.latent)


@pytest.mark.parametrize(
    "params",
    [
        {"loss": "paper"},
        {"optimisation": "alternating"},
        {"kernel_net": "none"},
        {"kernel_net": "two"},
        {"restarts": 2},
        {"size": 8},
        {"size": "auto"},
    ],
)
def test_every_choice_runs_and_changes_the_result(shaken, params):
    other = {"size": 9} if params == {"size": "auto"} else {}  # auto finds 7, the default here
    found, default = (estimate(shaken.blurred, **p) for p in (params, other))
    assert found.latent.shape == shaken.blurred.shape
    assert bool(torch.isfinite(found.latent).all())
    same = found.latent.equal(default.latent)
    assert same == (params == {"restarts": 2} and same)
    assert "restarts" in params or not same


@pytest.mark.parametrize("colour", ["luma", "joint"])
def test_colour(shaken, colour):
    tint = torch.tensor([0.9, 0.6, 0.3])[:, None, None]
    coloured = tint * shaken.blurred
    found = estimate(coloured, colour=colour)
    assert found.latent.shape == coloured.shape
    chroma = coloured[0] - coloured[2]
    kept = torch.allclose(found.latent[0] - found.latent[2], chroma, atol=1e-5)
    assert kept == (colour == "luma")


@pytest.mark.parametrize("value", [0.0, 40.0])
def test_invalid_pixels_have_no_effect(shaken, value):
    mask = torch.ones(shaken.blurred.shape[1:])
    mask[20:26, 30:44] = 0
    damaged = [torch.where(mask > 0, shaken.blurred, v) for v in (value, 0.5)]
    first, second = (estimate(image, mask=mask).latent for image in damaged)
    assert torch.equal(first, second)


def test_a_large_image_is_cropped_to_the_most_textured_square(shaken):
    large = torch.full((1, 200, 150), 0.4)
    large[:, 130:190, 80:144] = shaken.blurred
    rows, columns = most_textured_square(large, None, 80)
    assert rows.start <= 150
    assert rows.stop >= 170
    assert columns.start <= 100
    assert columns.stop >= 124
    found = estimate(large, region=80)
    assert found.latent is None
    assert found.kernel.weights.sum() == pytest.approx(1, abs=1e-5)
    assert estimate(shaken.blurred, region=64).latent is not None


@pytest.mark.parametrize(("gain", "offset"), [(0.01, 0.0), (3.0, 0.0), (0.2, -0.5)])
def test_values_of_any_range_come_back_in_it(shaken, gain, offset):
    found = estimate(gain * shaken.blurred + offset, iterations=30)
    low, high = gain * shaken.blurred.min() + offset, gain * shaken.blurred.max() + offset
    span = float(high - low)
    assert float(found.latent.min()) > float(low) - span
    assert float(found.latent.max()) < float(high) + span


@pytest.mark.parametrize("n", [7, 8])
def test_image_and_kernel_move_together(n):
    """An off-centre kernel is centred, and the image moved so that the blur stays the same."""
    weights = torch.zeros(n, n)
    weights[1, 2], weights[2, 1], weights[0, 0] = 0.5, 0.3, 0.2
    sharp = torch.rand(1, 40 + n - 1, 36 + n - 1, generator=torch.Generator().manual_seed(0))
    optimum = DipResult(sharp, weights, 1)
    blurred = blur_valid(sharp, weights)
    target = FitTarget.of(blurred, None, joint=False)
    kernel, image = target.kernel(optimum), target.image(optimum)
    for axis, extent in enumerate(kernel.shape):
        centre = (kernel.weights.sum(1 - axis) * np.arange(extent)).sum()
        assert abs(centre - extent // 2) <= 0.5
    k = torch.tensor(kernel.weights)
    extent = k.shape[-1]
    before = extent - 1 - extent // 2
    inner = blur_valid(image, k)
    rows, columns = inner.shape[-2:]
    cut = blurred[:, before : before + rows, before : before + columns]
    torch.testing.assert_close(inner, cut, atol=1e-5, rtol=0)


def test_progress_counts_every_iteration_and_shows_previews(shaken):
    reports = []
    estimate(shaken.blurred, Context(on_progress=reports.append), iterations=60)
    assert [r.done for r in reports] == list(range(1, 61))
    assert {r.total for r in reports} == {60}
    previews = [r for r in reports if r.preview is not None]
    assert [r.done for r in previews] == [25, 50]
    assert previews[0].preview.shape == shaken.blurred.shape


def test_it_stops_within_an_iteration_of_being_cancelled(shaken):
    polls = iter([False, False, True])
    with pytest.raises(Cancelled):
        estimate(shaken.blurred, Context(is_cancelled=lambda: next(polls)))


def test_a_diverged_attempt_is_replaced_with_a_note():
    data = Observation(torch.rand(1, 20, 20))
    good = DipResult(torch.rand(1, 24, 24), torch.full((5, 5), 1 / 25), 9)
    seeds = []

    def attempt(seed):
        seeds.append(seed)
        if len(seeds) < 3:
            raise Diverged("the image turned black")
        return good

    choice = best_of(1, 7, data, attempt)
    assert choice.best is good
    assert len(set(seeds)) == 3
    assert len(choice.notes) == 2
    assert "black" in choice.notes[0]

    def fail(_):
        raise Diverged("it diverged")

    with pytest.raises(ImageError, match="another kernel.size"):
        best_of(2, 0, data, fail)


def test_the_pipeline_returns_the_image_and_warns_of_a_restart(shaken, monkeypatch):
    checks = []

    def diverge_once(*_):
        checks.append(1)
        if len(checks) == 1:
            raise Diverged("the image turned black")

    monkeypatch.setattr(optimisation, "raise_if_diverged", diverge_once)
    quick = {"kernel__size": 7, "kernel__iterations": 3, "kernel__width": 4}
    result = deblur(shaken.blurred[0].numpy(), "selfdeblur", **quick)
    assert result.image.shape == shaken.blurred.shape[1:]
    assert any("another seed" in warning for warning in result.report.warnings)


def test_flat_images_and_infinite_losses_are_detected():
    data, alive = torch.rand(1, 9, 9), torch.rand(1, 12, 12)
    raise_if_diverged(0.1, alive, data, 500)
    raise_if_diverged(0.1, 0 * alive, data, 50)
    with pytest.raises(Diverged, match="black"):
        raise_if_diverged(0.1, 0 * alive, data, 500)
    with pytest.raises(Diverged, match="white"):
        raise_if_diverged(0.1, 0 * alive + 1, data, 500)
    with pytest.raises(Diverged, match="diverged"):
        raise_if_diverged(float("nan"), alive, data, 1)


def test_the_criterion_and_the_choice_prefer_the_sharp_result():
    given = synthetic_scene((80, 80), gaussian((7, 7), 1.5), seed=3)
    blur, point = given.kernel.tensor(), torch.zeros(7, 7)
    point[3, 3] = 1
    whole = torch.nn.functional.pad(given.sharp, [3] * 4, mode="replicate")
    data = Observation(blur_valid(whole, blur))
    unblurred = torch.nn.functional.pad(data.blurred, [3] * 4, mode="replicate")
    noisy = whole + 0.1 * torch.randn(whole.shape, generator=torch.Generator().manual_seed(0))
    sharp = score_result(DipResult(whole, blur, 1), data)
    assert sharp < score_result(DipResult(unblurred, point, 1), data)
    assert sharp < score_result(DipResult(noisy, blur, 1), data)
    assert sharp < score_result(DipResult(whole, point, 1), data)
    attempts = iter([DipResult(unblurred, point, 1), DipResult(whole, blur, 1)])
    assert best_of(2, 0, data, lambda seed: next(attempts)).best.scene is whole


def test_a_plateau_is_distinguished_from_a_decrease():
    falling, flat = Plateau("ssim"), Plateau("ssim")
    assert not any(falling.is_reached(1 / (1 + 0.1 * n)) for n in range(60))
    assert any(flat.is_reached(0.5 + 0.001 * (n % 3)) for n in range(60))


def test_rates_are_halved_and_phases_follow_as_published():
    schedule = Schedule([LossPhase(1000, "mse"), LossPhase(4000, "ssim")])
    rates = [schedule.rate_at(n) for n in (0, 1999, 2000, 3000, 4000, 4999)]
    assert rates == [1, 1, 0.5, 0.25, 0.125, 0.125]
    terms = [schedule.phase_at(n).data_term for n in (0, 999, 1000, 4999)]
    assert terms == ["mse", "mse", "ssim", "ssim"]


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (torch.full((1, 40, 40), 0.3), "one value"),
        (torch.rand(1, 13, 60), r"too small.*kernel\.size to 6"),
    ],
)
def test_refusals(image, words):
    with pytest.raises(ImageError, match=words):
        estimate(image)


@pytest.mark.parametrize("params", [{"size": 2}, {"width": 1}, {"loss": "l1"}, {"restarts": 0}])
def test_params_out_of_bounds_are_refused(params):
    with pytest.raises(ParamsError, match=next(iter(params))):
        SelfDeblur(params)
