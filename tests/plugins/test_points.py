from __future__ import annotations

import sys

import numpy as np
import pytest
import tifffile
import torch
from scipy.ndimage import shift

from unblur.errors import ImageError, ParamsError, UsageError
from unblur.model.context import Context
from unblur.numerics.metrics import kernel_similarity
from unblur.numerics.synthesis import airy_kernel, disk_kernel, gaussian_process_kernel
from unblur_classic.point_sources.detection import BackgroundSubtracted, estimate_blob_size
from unblur_classic.point_sources.estimator import Points

CONTEXT = Context()


def shifted(kernel, offset=(0.0, 0.0)):
    """A kernel shifted by fractions of a pixel."""
    return shift(np.pad(kernel.weights.astype(float), 3), offset, order=5)


def moffat(fwhm=3.0, beta=3.5, half=15):
    """An elliptical Moffat PSF, as of the atmosphere, at any sub-pixel offset."""

    def image(offset=(0.0, 0.0)):
        y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(float)
        scale = fwhm / 2 / np.sqrt(2 ** (1 / beta) - 1)
        r2 = ((x - offset[1]) / scale) ** 2 + ((y - offset[0]) / scale / 1.3) ** 2
        star = (1 + r2) ** -beta
        return star / star.sum()

    return image


def field(image, count=60, extent=320, noise=5e-4, seed=0):
    """Stars of random flux and position on a sloping background."""
    rng = np.random.default_rng(seed)
    half = image().shape[0] // 2
    sky = np.zeros((extent + 2 * half, extent + 2 * half))
    for _ in range(count):
        position = rng.uniform(0, extent, 2)
        corner = position.astype(int)
        flux = np.exp(rng.uniform(np.log(0.2), 0))
        window = tuple(slice(c, c + 2 * half + 1) for c in corner)
        sky[window] += flux * image(position - corner)
    sky = sky[half:-half, half:-half] + np.linspace(0.05, 0.1, extent)
    sky += noise * rng.standard_normal(sky.shape)
    return torch.tensor(sky, dtype=torch.float32)[None]


PSFS = {
    "moffat": moffat(),
    "airy": lambda offset=(0.0, 0.0): shifted(airy_kernel(4), offset),
    "disk": lambda offset=(0.0, 0.0): shifted(disk_kernel(4), offset),
}


@pytest.mark.parametrize("name", PSFS)
def test_psf_of_a_star_field(name):
    image = PSFS[name]
    found = Points().estimate(field(image), CONTEXT).kernel
    assert kernel_similarity(found, image()) >= 0.98
    assert all(n % 2 == 1 for n in found.shape)


@pytest.mark.parametrize("size", [31, (25, 33), 24])
def test_size_is_kept_and_made_odd(size):
    found = Points(size=size).estimate(field(PSFS["moffat"]), CONTEXT).kernel
    assert found.shape == {31: (31, 31), (25, 33): (25, 33), 24: (25, 25)}[size]
    assert kernel_similarity(found, PSFS["moffat"]()) >= 0.98


def test_the_psf_of_a_trail_of_several_blobs_is_found_with_its_size():
    kernel = gaussian_process_kernel(25, torch.Generator().manual_seed(2))
    found = (
        Points(size=31)
        .estimate(field(lambda offset=(0.0, 0.0): shifted(kernel, offset)), CONTEXT)
        .kernel
    )
    assert kernel_similarity(found, kernel) >= 0.95


def test_beads_in_a_volume(shared):
    beads = shared / "data/microscopy/confocal_beads"
    volume = tifffile.imread(beads / "beads_zstack.tif").astype(np.float32) / 255
    truth = tifffile.imread(beads / "psf_from_beads.tif")
    found = Points(size=31).estimate(torch.tensor(volume)[None], CONTEXT).kernel
    assert found.shape == (31, 31, 31)
    assert kernel_similarity(found, truth) >= 0.98


def test_positions_replace_the_search():
    image = PSFS["moffat"]
    blurred = torch.zeros(1, 60, 80)
    for row, column in ((20, 20), (40, 60)):
        blurred[0, row - 15 : row + 16, column - 15 : column + 16] += torch.tensor(image()).float()
    found = Points(positions=[(20, 20), (40, 60)]).estimate(blurred, CONTEXT).kernel
    assert kernel_similarity(found, image()) >= 0.99


def test_saturated_and_masked_points_are_rejected():
    image = PSFS["moffat"]
    blurred = field(image)
    level = float(blurred.quantile(0.9995))
    clipped = blurred.clamp(max=level)  # the brightest stars lose their tops
    assert kernel_similarity(Points().estimate(clipped, CONTEXT).kernel, image()) >= 0.98
    mask = torch.ones(blurred.shape[1:])
    mask[:100] = 0
    spoilt = blurred.clone()
    spoilt[:, :100] = torch.rand(1, 100, blurred.shape[2], generator=torch.Generator())
    found = Points().estimate(spoilt, CONTEXT, mask).kernel
    assert kernel_similarity(found, image()) >= 0.98


def test_colours_share_one_psf():
    image = PSFS["airy"]
    blurred = field(image)
    found = Points().estimate(torch.cat([blurred, 0.5 * blurred, blurred]), CONTEXT).kernel
    assert kernel_similarity(found, image()) >= 0.98


def test_blob_size_of_gaussian_points():
    for sigma in (1.0, 2.8):
        grid = np.arange(120) - 60.0
        blob = np.exp(-(grid[:, None] ** 2 + grid**2) / (2 * sigma**2))
        subtracted = BackgroundSubtracted.of(
            blob + 1e-4 * np.random.default_rng(0).standard_normal(blob.shape),
            np.ones(blob.shape, bool),
        )
        assert estimate_blob_size(subtracted, 10) == pytest.approx(sigma, rel=0.2)


def test_photutils_builder_agrees():
    pytest.importorskip("photutils")
    image = PSFS["moffat"]
    found = Points(method="epsf", size=31).estimate(field(image), CONTEXT).kernel
    assert kernel_similarity(found, image()) >= 0.98


def test_without_photutils_the_error_names_the_extra_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "photutils.psf", None)
    with pytest.raises(UsageError, match=r"unblur\[astro\]"):
        Points(method="epsf").estimate(field(PSFS["moffat"]), CONTEXT)


def test_the_error_for_too_few_points_gives_their_number():
    noise = 0.01 * torch.randn(1, 80, 80, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ImageError, match=r"found \d+ point sources.* lower kernel\.threshold"):
        Points().estimate(noise, CONTEXT)
    one = noise.clone()
    one[0, 40, 40] += 1
    with pytest.raises(ImageError, match="found 1 point sources, 1 of them usable"):
        Points().estimate(one, CONTEXT)
    assert Points(min_count=1).estimate(one, CONTEXT).kernel.weights.max() > 0.8


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        ({"positions": []}, ParamsError, "at least one"),
        ({"positions": [[1, 2, 3]]}, UsageError, "2 numbers"),
        ({"positions": [[1, 900]]}, UsageError, "outside"),
        ({"positions": [[1, 1]]}, ImageError, "1 near the border"),
        ({"size": (9, 9, 9)}, UsageError, "one number or 2"),
    ],
)
def test_params_that_do_not_fit_the_image_raise(params, error, message):
    with pytest.raises(error, match=message):
        Points(params).estimate(field(PSFS["moffat"], count=10), CONTEXT)
