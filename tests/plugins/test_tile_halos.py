"""The halo by an image's own noise and contrast: tiles still equal the whole image."""

from __future__ import annotations

import pytest
import torch

from unblur.model.context import Context
from unblur.numerics.inverse_filters import tile_radius
from unblur.numerics.synthesis import motion_kernel, shake_kernel
from unblur.plugins.manager import registry
from unblur.testing import synthetic_scene

STAGES = ("hyper-laplacian", "tv")


@pytest.fixture
def shake():
    return shake_kernel(9, torch.Generator().manual_seed(0))


@pytest.fixture
def motion():
    """A straight motion, whose spectrum has zeros."""
    return motion_kernel(9, 30.0)


@pytest.mark.parametrize("name", STAGES)
@pytest.mark.parametrize("noise", [0.005, 0.03])
def test_tiles_with_the_halo_of_the_image_equal_the_whole(name, noise, motion):
    stage = registry().stage("deconvolve", name)()
    given = synthetic_scene((320, 320), motion, noise=noise)
    context = Context(noise=noise, contrast=float(given.blurred.std()))
    halo = stage.tile_halo(motion, context)
    largest = tuple(h + 8 for h in stage.halo(motion))
    assert all(own <= most for own, most in zip(halo, largest, strict=True))
    if noise == 0.03:
        assert max(halo) < 0.7 * max(largest)
    padded = tuple(slice(140 - h, 180 + h) for h in halo)
    crop = tuple(slice(h, h + 40) for h in halo)
    whole = stage.deconvolve(given.blurred, motion, context)
    tile = stage.deconvolve(given.blurred[(..., *padded)].contiguous(), motion, context)
    difference = (tile[(..., *crop)] - whole[:, 140:180, 140:180]).abs()
    assert float(difference.max()) <= stage.tolerance


@pytest.mark.parametrize("name", STAGES)
def test_the_halo_is_that_of_any_image_where_noise_or_contrast_is_unknown(name, shake, motion):
    cls = registry().stage("deconvolve", name)
    own = tuple(h + 8 for h in cls().halo(shake))
    assert cls().tile_halo(shake, Context()) == own
    assert cls().tile_halo(shake, Context(noise=0.01, contrast=0.0)) == own
    known = Context(noise=0.01, contrast=0.2)
    assert cls(weight=1e-3).tile_halo(shake, known) == tuple(
        h + 8 for h in cls(weight=1e-3).halo(shake)
    )
    # A noise that is stated counts, not the measured one.
    assert cls(noise=0.1).tile_halo(motion, known) == cls().tile_halo(
        motion, Context(noise=0.1, contrast=0.2)
    )
    assert cls(noise=0.1).tile_halo(motion, known) != cls().tile_halo(motion, known)


def test_the_radius_grows_with_the_kernel_and_as_noise_falls(shake):
    larger = shake_kernel(21, torch.Generator().manual_seed(0))
    radii = [
        max(tile_radius(kernel, (noise / 0.55) ** 2, noise, 0.55, 2e-4))
        for kernel, noise in ((shake, 0.2), (shake, 0.05), (larger, 0.05), (larger, 0.02))
    ]
    assert radii == sorted(radii)
    assert radii[0] < radii[-1]


def test_the_default_halo_of_tiles_adds_a_kernel_width(shake):
    stage = registry().stage("deconvolve", "wiener")()
    wanted = tuple(h + 8 for h in stage.halo(shake))
    assert stage.tile_halo(shake, Context(noise=0.01, contrast=0.2)) == wanted
