import pytest
import torch

from unblur.numerics import boundaries
from unblur.numerics.boundaries import (
    solve_unobserved,
    solve_unobserved_saturated,
    split_mask,
    unobserved_mask,
)
from unblur.numerics.fourier import apply_otf
from unblur.numerics.inverse_filters import WienerFilter
from unblur.numerics.operators import Blur
from unblur.testing import synthetic_scene


def test_a_mask_tells_lost_pixels_from_clipped_ones():
    blurred = torch.full((3, 2, 3), 0.5)
    blurred[1, 0, 0] = 1.0
    mask = torch.ones(2, 3)
    mask[0, 0] = mask[1, 2] = 0
    seen, clipped = split_mask(blurred, mask, 1.0)
    assert seen.tolist() == [[1, 1, 1], [1, 1, 0]]
    assert clipped.sum() == clipped[1, 0, 0] == 1
    assert split_mask(blurred, mask, None) == (mask, None)
    nothing, nowhere = split_mask(blurred, None, 1.0)
    assert nothing is None
    assert nowhere.sum() == 0


def problem(weight):
    """Return a blur, a blurred image of two channels, and the filter that the weight gives."""
    given = synthetic_scene((40, 51), noise=0.005)
    blur = Blur(given.kernel.tensor(), given.blurred.shape[1:])
    blurred = torch.cat([given.blurred, 0.5 * given.blurred.flip(1)])
    return blur, blurred, WienerFilter.of(blur.otf, blur.domain, weight)


@pytest.mark.parametrize("weight", [0.01, torch.tensor([0.01, 0.03]).reshape(2, 1, 1)])
def test_the_border_has_the_values_of_least_cost(weight, monkeypatch):
    blur, blurred, wiener = problem(weight)
    direct = solve_unobserved(blur, blurred, wiener, iterations=100)
    torch.testing.assert_close(blur.crop(direct), blurred, atol=1e-5, rtol=0)
    gradient = unobserved_mask(blur, blurred) * apply_otf(direct, wiener.cost, 2)
    assert gradient.norm() < 0.02 * apply_otf(blur.extend(blurred), wiener.cost, 2).norm()
    monkeypatch.setattr(boundaries, "is_direct", lambda *_: False)
    iterated = solve_unobserved(blur, blurred, wiener, iterations=300)
    torch.testing.assert_close(direct, iterated, atol=5e-3, rtol=0)


@pytest.mark.parametrize("support", [(1, 9), (9, 1)])
def test_the_border_of_one_axis_alone_is_solved_for(support, monkeypatch):
    blurred = torch.rand(1, 64, 64, generator=torch.Generator().manual_seed(0))
    blur = Blur(torch.full(support, 1 / 9), (64, 64))
    assert 64 in blur.domain
    wiener = WienerFilter.of(blur.otf, blur.domain, 0.01)
    direct = solve_unobserved(blur, blurred, wiener)
    monkeypatch.setattr(boundaries, "is_direct", lambda *_: False)
    iterated = solve_unobserved(blur, blurred, wiener, iterations=200)
    torch.testing.assert_close(direct, iterated, atol=1e-3, rtol=0)


def test_an_image_of_nan_is_nan():
    blur, blurred, wiener = problem(0.01)
    assert solve_unobserved(blur, blurred * torch.nan, wiener).isnan().all()


def test_saturated_pixels_come_nearer_to_what_was_cut_off():
    blur, blurred, wiener = problem(0.01)
    clipped = blurred.clamp_max(float(blurred.quantile(0.95)))
    saturated = (clipped < blurred).float()
    found = blur.crop(solve_unobserved_saturated(blur, clipped, wiener, saturated))
    assert (found - blurred).norm() < 0.6 * (clipped - blurred).norm()
    torch.testing.assert_close(
        found * (1 - saturated), clipped * (1 - saturated), atol=1e-5, rtol=0
    )


def test_saturated_pixels_that_exceed_the_record_have_the_values_of_least_cost():
    blur, blurred, wiener = problem(0.01)
    clipped = blurred.clamp_max(float(blurred.quantile(0.95)))
    saturated = (clipped < blurred).float()
    found = solve_unobserved_saturated(blur, clipped, wiener, saturated)
    free = blur.place(saturated) * (found > blur.place(clipped))
    assert free.sum() > 0.8 * saturated.sum()
    gradient = apply_otf(found, wiener.cost, 2)
    start = apply_otf(solve_unobserved(blur, clipped, wiener), wiener.cost, 2)
    assert (free * gradient).norm() < 0.02 * (free * start).norm()
    none = solve_unobserved_saturated(blur, clipped, wiener, torch.zeros_like(saturated))
    torch.testing.assert_close(none, solve_unobserved(blur, clipped, wiener))


def test_the_updates_end_when_saturated_pixels_hardly_exceed_the_record(monkeypatch):
    blur, blurred, wiener = problem(0.01)

    def updates(level):
        clipped, steps = blurred.clamp_max(level), []
        saturated = (clipped < blurred).float()
        found = solve_unobserved_saturated(
            blur, clipped, wiener, saturated, lambda *step: steps.append(step)
        )
        return len(steps), found

    border = len(blurred)  # steps of the border, one for each channel
    highest = float(blurred.max())
    few, found = updates(0.995 * highest)
    many, _ = updates(0.5 * highest)
    assert few - border < 6 < 12 < many - border
    monkeypatch.setattr(boundaries, "UPDATE_TOLERANCE", 0.0)
    most, exact = updates(0.995 * highest)
    assert most - border == 32
    torch.testing.assert_close(found, exact, atol=0.01 * highest, rtol=0)
