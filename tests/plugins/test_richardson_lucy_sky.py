"""Richardson-Lucy on a sky: background map, read noise and gain."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unblur.model.context import Context
from unblur.model.detector import stated_detector
from unblur.model.image import Image
from unblur.model.kernel import Kernel
from unblur.pipeline import Pipeline
from unblur.testing import moffat
from unblur_classic.nonblind.richardson_lucy import RichardsonLucy

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


def test_params_and_header_give_the_read_noise():
    stage = RichardsonLucy()
    assert stage._read_noise_offset(CONTEXT) == pytest.approx(36 / (4 * 4000))
    assert stage._read_noise_offset(Context(read_noise=6.0)) == 0
    given = RichardsonLucy(gain=4.0, read_noise=2.0)
    assert given._read_noise_offset(CONTEXT) == pytest.approx(4 / (16 * 4000))
    header = "EGAIN   =                  1.5 / electrons\nRDNOISE =                  7.0"
    image = Image(np.ones((4, 4)), "YX", metadata={"fits": {"header": header}})
    assert stated_detector(image) == {"gain": 1.5, "read_noise": 7.0}
