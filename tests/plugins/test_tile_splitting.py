"""Tiles are deconvolved with half the transforms, and equal the whole image as before."""

import numpy as np
import pytest
import torch

from unblur.model.context import Context
from unblur.numerics.synthesis import shake_kernel
from unblur.testing import gaussian, synthetic_scene
from unblur_classic.nonblind import hyper_laplacian, scene_solver, tile_splitting
from unblur_classic.nonblind.hyper_laplacian import HyperLaplacian

CONTEXT = Context(noise=0.005, contrast=0.2)


def with_lost_pixels(given, kind):
    """Return an image, the mask of its valid pixels, and a context with its saturation level."""
    blurred, mask = given.blurred.clone(), torch.ones(given.blurred.shape[1:])
    if kind == "masked":
        blurred[:, 20:24, 30:40] = 0
        mask[20:24, 30:40] = 0
        return blurred, mask, CONTEXT
    if kind == "saturated":
        level = float(torch.quantile(blurred, 0.99))
        return (
            blurred.clamp_max(level),
            (blurred[0] < level).float(),
            CONTEXT.with_(saturation_level=level),
        )
    return blurred, None, CONTEXT


@pytest.mark.parametrize("kind", ["plain", "masked", "saturated"])
@pytest.mark.parametrize("support", [(7, 6), (1, 5)])
def test_a_tile_is_solved_as_the_whole_image_is_on_the_same_grid(kind, support, monkeypatch):
    given = synthetic_scene((70, 81), gaussian(support, 1.3), noise=0.005)
    blurred, mask, context = with_lost_pixels(given, kind)
    context = context.with_(cut_axes=(True, False))
    monkeypatch.setattr(tile_splitting, "MAX_PREDICTED", 10.0)
    found = HyperLaplacian().deconvolve(blurred, given.kernel, context, mask)
    monkeypatch.setattr(hyper_laplacian, "TileSplitting", None)  # the same without it
    monkeypatch.setattr(tile_splitting, "MAX_PREDICTED", 0.0)
    expected = HyperLaplacian().deconvolve(blurred, given.kernel, context, mask)
    torch.testing.assert_close(found, expected, atol=2e-4, rtol=0)
    assert not torch.equal(found, expected)


def test_where_most_pixels_are_predicted_the_whole_scene_is_transformed(monkeypatch):
    given = synthetic_scene((64, 64), gaussian((7, 7), 1.3), noise=0.005)
    context = CONTEXT.with_(cut_axes=(False, False))
    monkeypatch.setattr(hyper_laplacian, "TileSplitting", None)
    mask = (torch.rand(64, 64, generator=torch.Generator().manual_seed(0)) > 0.1).float()
    result = HyperLaplacian().deconvolve(given.blurred, given.kernel, context, mask)
    assert result.isfinite().all()


@pytest.mark.parametrize("shape", [(2, 40, 41), (1, 9, 20, 21)])
def test_a_whole_image_and_a_volume_are_not_solved_as_tiles(shape, monkeypatch):
    monkeypatch.setattr(hyper_laplacian, "TileSplitting", None)
    monkeypatch.setattr(scene_solver.Blur, "__init__", checked(scene_solver.Blur.__init__))
    ndim = len(shape) - 1
    context = CONTEXT if ndim == 2 else CONTEXT.with_(cut_axes=(False, True, True))
    HyperLaplacian().deconvolve(torch.rand(shape), gaussian((3,) * ndim, 1.0), context)


def checked(init):
    def construct(self, *args, domain=None, **named):
        assert domain is None
        init(self, *args, **named)

    return construct


@pytest.mark.parametrize("cut_axes", [(True, True), (False, True), (False, False)])
@pytest.mark.parametrize("noise", [0.005, 0.02])
def test_a_tile_equals_the_whole_where_its_halo_is_cut_off(cut_axes, noise):
    kernel = shake_kernel(9, torch.Generator().manual_seed(0))
    stage, context = HyperLaplacian(), Context(noise=noise, contrast=0.2)
    halo = stage.tile_halo(kernel, context)
    extent = [2 * (h + 20) + 40 if is_cut else 90 for h, is_cut in zip(halo, cut_axes, strict=True)]
    given = synthetic_scene(extent, kernel, noise=noise)
    whole = stage.deconvolve(given.blurred, kernel, context)
    padded = [slice(20, -20) if is_cut else slice(None) for is_cut in cut_axes]
    placed = context.with_(cut_axes=cut_axes, spanned_axes=[not is_cut for is_cut in cut_axes])
    tile = stage.deconvolve(given.blurred[:, *padded].contiguous(), kernel, placed)
    axes = list(zip(halo, cut_axes, strict=True))
    crop = [slice(h, -h) if is_cut else slice(None) for h, is_cut in axes]
    inside = [slice(20 + h, -20 - h) if is_cut else slice(None) for h, is_cut in axes]
    difference = (tile[:, *crop] - whole[:, *inside]).abs()
    assert float(difference.max()) <= HyperLaplacian.tolerance
    assert float(difference.square().mean().sqrt()) <= 1e-3


def test_a_tile_that_spans_the_image_differs_as_little_at_its_border():
    """The border of one side is near that of the other on the grid, whose extent then matters."""
    kernel = gaussian((9, 9), 1.5)
    given = synthetic_scene((73, 80), kernel, noise=0.005)  # 81 on a grid of 90 rows, not of 84
    whole = HyperLaplacian().deconvolve(given.blurred, kernel, CONTEXT)
    context = CONTEXT.with_(cut_axes=(False, False))
    both, neither = (
        HyperLaplacian().deconvolve(
            given.blurred, kernel, context.with_(spanned_axes=(is_whole,) * 2)
        )
        for is_whole in (True, False)
    )
    assert (both - whole).abs().max() < 1e-4
    assert (both - whole).square().mean() < 0.01 * (neither - whole).square().mean()


def test_the_grid_of_a_tile_has_little_beyond_it():
    assert tile_splitting.tile_domain((1780, 916), (39, 39), (False, True)) == (1848, 960)
    assert tile_splitting.tile_domain((1780, 9), (39, 9), (False, False), (True, True))[0] == 1920
    # 1500 has a faster transform than 1458, but a border of 72 pixels for one of 30.
    assert tile_splitting.tile_domain((1428, 1428), (39, 39), (True, True)) == (1458, 1458)
    assert tile_splitting.tile_domain((2, 9), (30, 4), (True, True)) == (30, 12)
    assert np.prod(tile_splitting.tile_domain((1, 1), (1, 1), (False, False))) == 4
