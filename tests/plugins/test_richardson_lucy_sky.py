"""Richardson-Lucy on a sky: background map, read noise and gain."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from unblur.errors import ImageError
from unblur.model.context import Context
from unblur.model.detector import stated_detector
from unblur.model.image import Image
from unblur.model.kernel import Kernel
from unblur.numerics.operators import Blur
from unblur.pipeline import Pipeline
from unblur.testing import moffat
from unblur_classic.nonblind.richardson_lucy import RichardsonLucy
from unblur_classic.nonblind.richardson_lucy.poisson.counts_model import read_noise_offset
from unblur_classic.nonblind.richardson_lucy.poisson.detector_maps import detector_values
from unblur_classic.nonblind.richardson_lucy.poisson.significance import damping_weight
from unblur_classic.nonblind.richardson_lucy.scene_estimation import estimate_scene

PSF = moffat((2.6, 0.0, 0.0), 12)
CONTEXT = Context(gain=2.0, read_noise=6.0, span=4000.0)


def frame(level, electrons=8000, seed=0, extent=128):
    """Return a star of flux 1 on a background, with photon and read noise, white = 1."""
    draw = np.random.default_rng(seed)
    clean = np.full((extent, extent), 0.0) + level
    clean[extent // 2 - 12 : extent // 2 + 13, extent // 2 - 12 : extent // 2 + 13] += PSF
    counted = draw.poisson(clean * electrons) + 6 * draw.standard_normal(clean.shape)
    return torch.tensor(counted / electrons, dtype=torch.float32)[None]


def flux(image, radius=6):
    middle = image.shape[-1] // 2
    at = np.arange(image.shape[-1]) - middle
    distance = np.hypot(at[:, None], at)
    values = image[0].numpy().astype(float)
    sky = np.median(values[(distance > 12) & (distance < 20)])
    return float((values - sky)[distance <= radius].sum())


def test_a_sloping_sky_is_removed_and_put_back():
    slope = np.linspace(0.0036, 0.0044, 128)[:, None]
    stage = Pipeline.load("points-richardson-lucy").build()[1]  # as by default for a sky
    found = stage.deconvolve(frame(slope, 800_000), Kernel(PSF), CONTEXT)
    values = found[0].numpy()
    left = values[:, :30].mean(axis=1) - slope[:, 0]
    assert abs(left).max() < 0.0005
    assert flux(found) == pytest.approx(1, abs=0.02)  # 1.04 after 30 iterations
    ring = values[52:77, 52:77]  # around the star
    assert ring.min() > 0.95 * slope.min()


def test_read_noise_keeps_a_dark_sky_at_its_mean():
    dark = frame(0.0005)
    bare = RichardsonLucy().deconvolve(dark, Kernel(PSF), Context())
    kept = RichardsonLucy().deconvolve(dark, Kernel(PSF), CONTEXT)
    sky = [float(image[0, :20].mean()) for image in (bare, kept)]
    assert abs(sky[1] - 0.0005) < 0.5 * abs(sky[0] - 0.0005)


def offset(context, **params):
    """Return the light that stands for the read noise, white = 1."""
    stage = RichardsonLucy(**params)
    gain = params.get("gain") or context.gain
    return read_noise_offset(stage.params, context, frame(0.01, extent=26), gain)


def test_params_and_header_give_the_read_noise():
    assert offset(CONTEXT) == pytest.approx(36 / (2 * 4000))  # 36 photons of 8000 for white
    assert offset(Context(read_noise=6.0)) == 0
    assert offset(CONTEXT, gain=4.0, read_noise=2.0) == pytest.approx(4 / (4 * 4000))
    header = "EGAIN   =                  1.5 / electrons\nRDNOISE =                  7.0"
    image = Image(np.ones((4, 4)), "YX", metadata={"fits": {"header": header}})
    assert stated_detector(image) == {"gain": 1.5, "read_noise": 7.0}


def test_noise_is_not_deconvolved_and_a_star_keeps_its_flux():
    """The star of flux 1 lies on a sky on which 100 iterations alone make 1.05 of it."""
    ratios = []
    for seed in range(4):
        blurred = frame(0.04, 200_000, seed)
        stage = RichardsonLucy(iterations=100, background=0.04, min_significance=5)
        found = stage.deconvolve(blurred, Kernel(PSF), Context())
        ratios.append(flux(found))
        assert (found - blurred)[0, :30].abs().max() < 0.02 * blurred[0, :30].std()
        assert found.max() > 4 * blurred.max()
    assert np.mean(ratios) == pytest.approx(1, abs=0.005)


def test_damping_is_none_far_above_the_noise_and_whole_within_it():
    noise = 0.01 * torch.randn(1, 64, 64, generator=torch.Generator().manual_seed(0))
    kernel, variance = Kernel(PSF).tensor(), torch.full((1, 1, 1), 1e-4)
    assert damping_weight(noise, variance, kernel, 5.0).max() == 0
    point = noise.clone()
    point[0, 20:45, 20:45] += 2 * torch.tensor(PSF)
    inside = Blur(kernel, (64, 64))
    weight = inside.crop(damping_weight(point, variance, kernel, 5.0))[0]
    assert weight[30:35, 30:35].min() == 1
    assert weight[:16].max() == 0
    left = torch.ones(64, 64)
    left[20:45, 20:45] = 0
    assert damping_weight(point, variance, kernel, 5.0, left).max() < 1  # the star is masked


def test_a_tile_of_a_damped_sky_equals_the_whole():
    blurred = frame(0.04, 50_000, extent=160)
    kernel = Kernel(moffat((2.0, 0.0, 0.0), 3))
    stage = RichardsonLucy(iterations=8, background=0.04, min_significance=5)
    context = Context(noise=0.001)
    whole = stage.deconvolve(blurred, kernel, context)
    top, left = stage.halo(kernel)
    tile = blurred[:, 70 - top : 90 + top, 60 - left : 90 + left].contiguous()
    part = stage.deconvolve(tile, kernel, context)[:, top:-top, left:-left]
    torch.testing.assert_close(part, whole[:, 70:90, 60:90], atol=1e-5, rtol=0)


def test_a_star_at_a_border_does_not_reach_the_opposite_one():
    """The first scene beyond the border is the image continued from one side to the other."""
    blurred = frame(0.04, 50_000, extent=96)[:, : 96 // 2 + 2].contiguous()
    stage = RichardsonLucy(iterations=30, background=0.04, min_significance=5)
    found = stage.deconvolve(blurred, Kernel(PSF), Context())
    assert (found - blurred)[0, :20].abs().max() < 0.05 * blurred[0, :20].std()


def write_maps(path, *maps):
    fits = pytest.importorskip("astropy.io.fits")
    parts = [fits.ImageHDU(np.asarray(values, np.float32)) for values in maps]
    fits.HDUList([fits.PrimaryHDU(), *parts]).writeto(path)


@pytest.mark.parametrize("significance", [0, 5])
def test_maps_of_gain_and_read_noise_are_read_from_extensions(tmp_path, significance):
    file = tmp_path / "detector.fits"
    write_maps(file, np.full((128, 128), 2.0), np.full((128, 128), 6.0))
    common = {"iterations": 10, "background": 0.002, "min_significance": significance}
    blurred, context = frame(0.002), Context(span=4000.0)
    numbers = RichardsonLucy(gain=2.0, read_noise=6.0, **common)
    maps = RichardsonLucy(gain=f"{file}[1]", read_noise=f"{file}[2]", **common)
    expected = numbers.deconvolve(blurred, Kernel(PSF), context)
    torch.testing.assert_close(
        maps.deconvolve(blurred, Kernel(PSF), context), expected, atol=1e-6, rtol=0
    )


def test_a_map_is_cut_to_the_place_of_the_piece(tmp_path):
    file = tmp_path / "noise.fits"
    noise = np.arange(40.0 * 30).reshape(40, 30)
    write_maps(file, noise)
    context = Context(origin=(3, 2), crop_origin=(10, 5))
    found = detector_values("read_noise", f"{file}[1]", None, context, torch.zeros(3, 8, 7))
    np.testing.assert_array_equal(found, noise[13:21, 7:14])
    with pytest.raises(ImageError, match="40 x 30 pixels does not cover the image"):
        detector_values("read_noise", f"{file}[1]", None, context, torch.zeros(1, 30, 7))
    with pytest.raises(ImageError, match="holds 1 values that are no gain"):
        detector_values("gain", f"{file}[1]", None, Context(), torch.zeros(1, 40, 30))


def test_noisy_pixels_count_less():
    """Columns of high read noise, whose noise would appear as structure."""
    draw, level = np.random.default_rng(0), 0.05
    sigma = np.where(np.arange(64) % 4 == 0, 400.0, 4.0) * np.ones((64, 1))
    counted = draw.poisson(level * 8000, (64, 64)) + sigma * draw.standard_normal((64, 64))
    blurred = torch.tensor(counted / 8000, dtype=torch.float32)[None]
    context = Context(gain=2.0, span=4000.0)
    found = []
    for noise in (4.0, sigma):
        stage = RichardsonLucy(read_noise=4.0, iterations=20)
        counts = stage._counts(blurred, Kernel(PSF), context, None)
        shift = torch.tensor(np.asarray(noise) ** 2 / 8000, dtype=torch.float32) * torch.ones(
            64, 64
        )
        counts = replace(counts, data=(blurred + shift).clamp_min(0), level=shift)
        estimate = estimate_scene(stage.params, blurred, Kernel(PSF), context, None, counts)
        found.append(float(estimate.blur.crop(estimate.scene).std()))
    assert found[1] < 0.5 * found[0]
