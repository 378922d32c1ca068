"""Make the sample images that ship with the napari widget.

Usage: python docs/make_samples.py DATA, where DATA holds kodak/, microscopy/ and astronomy/.
The files are written to napari_plugin/napari_unblur/sample_data, whose SOURCES.md lists the
sources.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import tifffile
import torch
from PIL import Image as Picture
from scipy.signal import fftconvolve

from unblur.numerics.synthesis import shake_kernel
from unblur.numerics.tone_curve import decode_light, encode_light

SAMPLES = Path(__file__).parent.parent / "napari_plugin" / "napari_unblur" / "sample_data"


def photograph(data: Path) -> None:
    """Blur a crop of a sharp photograph, as light, and store it through the curve of sRGB."""
    stored = np.asarray(Picture.open(data / "kodak" / "kodim08.png"), np.float64)[180:460, 200:600]
    light = decode_light(stored / 255)
    kernel = shake_kernel(17, torch.Generator().manual_seed(4)).weights.astype(np.float64)
    blurred = np.stack([fftconvolve(c, kernel, mode="valid") for c in np.moveaxis(light, -1, 0)])
    noisy = 255 * encode_light(blurred) + np.random.default_rng(1).normal(0, 1, blurred.shape)
    values = np.clip(np.rint(np.moveaxis(noisy, 0, -1)), 0, 255).astype(np.uint8)
    Picture.fromarray(values).save(SAMPLES / "photograph.png", optimize=True)


def beads(data: Path) -> None:
    """Copy the measured stack unchanged."""
    shutil.copyfile(
        data / "microscopy" / "confocal_beads" / "beads_zstack.tif", SAMPLES / "beads.tif"
    )
    (SAMPLES / "beads.tif").chmod(0o644)


def stars(data: Path) -> None:
    """Draw photon counts of random stars, blurred by a space telescope's PSF."""
    from astropy.io import fits

    psf = fits.getdata(data / "astronomy" / "jwst_nircam" / "psf_f444w.fits").astype(np.float64)
    generator = np.random.default_rng(7)
    size, margin = 256, 80
    canvas = np.zeros((size + 2 * margin,) * 2)
    count = 90
    positions = generator.uniform(0, canvas.shape[0] - 1, (count, 2))
    fluxes = 2500 * generator.pareto(0.9, count).clip(0, 250) + 1500
    for (row, column), flux in zip(positions, fluxes, strict=True):
        r, c = int(row), int(column)
        for dr, dc in np.ndindex(2, 2):
            share = abs(1 - dr - row % 1) * abs(1 - dc - column % 1)
            if r + dr < canvas.shape[0] and c + dc < canvas.shape[1]:
                canvas[r + dr, c + dc] += flux * share
    seen = fftconvolve(canvas, np.clip(psf, 0, None) / np.clip(psf, 0, None).sum(), mode="same")
    seen = seen[margin:-margin, margin:-margin]
    counts = generator.poisson(np.clip(seen, 0, None) + 60) + generator.normal(0, 4, seen.shape)
    values = np.clip(np.rint(counts), 0, 65535).astype(np.uint16)
    tifffile.imwrite(
        SAMPLES / "stars.tif", values, compression="zlib", predictor=True, metadata=None
    )


if __name__ == "__main__":
    SAMPLES.mkdir(exist_ok=True)
    for make in (photograph, beads, stars):
        make(Path(sys.argv[1]))
