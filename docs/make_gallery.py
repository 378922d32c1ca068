"""Make the images and figures of the gallery.

Usage: python docs/make_gallery.py DATA [NAME...], where DATA holds photos/, kodak/, night/,
microscopy/ and astronomy/. Images are written to docs/images/gallery, figures to
benchmarks/results/gallery.json and .md; those that are not named stay unchanged.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from astropy.io import fits
from numpy.typing import NDArray
from PIL import Image as Picture

import unblur
from unblur.bench.results import describe_device
from unblur.model.kernel import Kernel
from unblur.numerics.metrics import levin_aligned
from unblur.numerics.synthesis import blur_image, crop_valid, shake_kernel
from unblur.numerics.tone_curve import decode_light, encode_light
from unblur.testing import gaussian

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs/images/gallery"
FIGURES = ROOT / "benchmarks/results/gallery.json"
HEIGHT, GAP = 300, 8

Array = NDArray[Any]


@dataclass(frozen=True)
class Exhibit:
    """Panels from left to right, (H, W) or (H, W, 3), white = 1; figures; a kernel beside them."""

    panels: list[Array]
    figures: dict[str, Any]
    kernel: Array | None = None


def photograph(file: Path, top: int, left: int, height: int, width: int) -> torch.Tensor:
    """Return a crop of an image file, (3, H, W), white = 1."""
    values = np.asarray(Picture.open(file).convert("RGB"), np.float32) / 255
    part = values[top : top + height, left : left + width]
    return torch.from_numpy(np.moveaxis(part, -1, 0).copy())


def camera(
    sharp: torch.Tensor, kernel: Kernel, noise: float, as_light: bool = False
) -> tuple[Array, Array]:
    """Return the blurred, noisy image, (H, W, 3) uint8, and the sharp one, white = 1.

    Stored values are blurred, or with `as_light` what they store through the tone curve of sRGB.
    """
    draw = torch.Generator().manual_seed(0)
    if as_light:
        light = torch.from_numpy(decode_light(sharp.numpy()))
        seen = torch.from_numpy(encode_light(blur_image(light, kernel).numpy()))
    else:
        seen = blur_image(sharp, kernel)
    seen = seen + noise * torch.randn(seen.shape, generator=draw)
    values = np.rint(255 * seen.clamp(0, 1).numpy()).astype(np.uint8)
    return np.moveaxis(values, 0, -1), np.moveaxis(crop_valid(sharp, kernel).numpy(), 0, -1)


def shaken(data: Path) -> Exhibit:
    """A photograph blurred as light by a synthetic kernel, deblurred blind."""
    sharp = photograph(data / "photos/budgie_roman-colosseum.jpg", 150, 300, 430, 480)
    kernel = shake_kernel(23, torch.Generator().manual_seed(11))
    seen, truth = camera(sharp, kernel, 0.005, as_light=True)
    done = unblur.deblur(seen, "map-hyper-laplacian", axes="YXC", **{"kernel.size": 31})
    figures = aligned(seen / 255, np.asarray(done.image) / 255, truth)
    return Exhibit([seen / 255, np.asarray(done.image) / 255], figures, done.kernel.mean.weights)


def known(data: Path) -> Exhibit:
    """A photograph blurred by a synthetic kernel, deblurred with that kernel."""
    sharp = photograph(data / "kodak/kodim08.png", 120, 180, 380, 460)
    kernel = shake_kernel(25, torch.Generator().manual_seed(5))
    seen, truth = camera(sharp, kernel, 0.01)
    done = np.asarray(unblur.deblur(seen, "svmap", psf=kernel, axes="YXC").image) / 255
    return Exhibit([seen / 255, done, truth], aligned(seen / 255, done, truth))


def night(data: Path) -> Exhibit:
    """Lights above white, blurred by a synthetic kernel, then clipped; deblurred with it."""
    bright = 1.2 * photograph(data / "night/gb82_prudential.png", 60, 60, 420, 460)
    kernel = shake_kernel(23, torch.Generator().manual_seed(3))
    seen, truth = camera(bright, kernel, 0.005)
    truth = truth.clip(0, 1)
    done = np.asarray(unblur.deblur(seen, "svmap", psf=kernel, axes="YXC").image) / 255
    return Exhibit([seen / 255, done, truth], aligned(seen / 255, done, truth))


def aligned(before: Array, after: Array, truth: Array) -> dict[str, Any]:
    """Return the PSNR of luma before and after, each at its best shift."""
    luma = np.array([0.299, 0.587, 0.114])
    before, after = (levin_aligned(image @ luma, truth @ luma).psnr for image in (before, after))
    return {"measure": "PSNR, dB", "before": round(before, 2), "after": round(after, 2)}


def microtubules(data: Path) -> Exhibit:
    """A widefield image beside structured illumination of the same cell."""
    folder = data / "microscopy/biosr_pairs"
    seen = tifffile.imread(folder / "microtubules_1_widefield.tif")
    reference = tifffile.imread(folder / "microtubules_1_sim_reference.tif")
    psf = gaussian((19, 19), 2.2)
    settings = {"richardson-lucy.iterations": 20}
    done = np.asarray(unblur.deblur(seen, "richardson-lucy", psf=psf, **settings).image)
    part = (slice(100, 360), slice(120, 380))
    panels = [shown(image[part], 1, 99.7) for image in (seen, done, reference)]
    return Exhibit(panels, correlated(seen, done, reference, "the SIM picture"))


def beads(data: Path) -> Exhibit:
    """Beads under a confocal microscope, from the side; the PSF is estimated from the stack."""
    stack = tifffile.imread(data / "microscopy/confocal_beads/beads_zstack.tif").astype(np.float32)
    done = unblur.deblur(
        stack, "points-richardson-lucy", axes="ZYX", **{"richardson-lucy.iterations": 30}
    )
    side = [np.asarray(image, np.float32).max(axis=1) for image in (stack, done.image)]
    tall = [np.repeat(image[9:33], 5, axis=0) for image in side]
    widths = [full_width(image.max(axis=1)) for image in side]
    figures = {"measure": "height of the brightest bead, planes"}
    figures |= {"before": round(widths[0], 1), "after": round(widths[1], 1)}
    return Exhibit([shown(image, 1, 99.9) for image in tall], figures)


def full_width(profile: Array) -> float:
    """Return the full width at half maximum of a profile, samples."""
    above = profile - np.median(profile)
    return float(np.count_nonzero(above > above.max() / 2))


def galaxy(data: Path) -> Exhibit:
    """A galaxy at 4.4 micrometres with the telescope's PSF, beside the sharper 2 micrometres."""
    folder = data / "astronomy/jwst_nircam"
    seen = fits.getdata(folder / "obj10735_f444w_sci.fits").astype(np.float32)
    finer = fits.getdata(folder / "obj10735_f200w_sci.fits").astype(np.float32)
    psf = fits.getdata(folder / "psf_f444w.fits")[45:-45, 45:-45].clip(0)
    settings = {"richardson-lucy.iterations": 15, "richardson-lucy.background": "auto"}
    done = np.asarray(unblur.deblur(seen, "richardson-lucy", psf=psf, **settings).image)
    flux = {"measure": "flux, sum of the image", "before": round(float(seen.sum()), 1)}
    flux["after"] = round(float(done.sum()), 1)
    return Exhibit([stretched(image) for image in (seen, done, finer)], flux)


def subaru(data: Path) -> Exhibit:
    """A field from the ground with its PSF, beside the space telescope's."""
    folder = data / "astronomy/hsc_hst_same_field"
    seen = fits.getdata(folder / "Cut_HSC1.fits")[2].astype(np.float32)
    psf = fits.getdata(folder / "PSF_HSC.fits")[2].clip(0)
    space = fits.getdata(folder / "Cut_HST1.fits").astype(np.float32)
    settings = {"richardson-lucy.iterations": 30, "richardson-lucy.background": "auto"}
    done = np.asarray(unblur.deblur(seen, "richardson-lucy", psf=psf, **settings).image)
    coarse = space.reshape(50, 5, 50, 5).mean(axis=(1, 3))
    figures = correlated(seen, done, coarse, "the space telescope's")
    return Exhibit([stretched(image) for image in (seen, done, space)], figures)


def correlated(before: Array, after: Array, reference: Array, what: str) -> dict[str, Any]:
    """Return the correlation of an image with a reference, before and after."""
    values = [np.corrcoef(i.ravel(), reference.ravel())[0, 1] for i in (before, after)]
    named = zip(("before", "after"), (round(float(v), 3) for v in values), strict=True)
    return {"measure": f"correlation with {what}", **dict(named)}


def shown(values: Array, low: float, high: float) -> Array:
    """Return values between two percentiles, scaled to [0, 1]."""
    floor, top = np.percentile(values, (low, high))
    return ((values - floor) / (top - floor)).clip(0, 1)


def stretched(values: Array) -> Array:
    """Return an astronomical image after an arcsinh stretch in units of its noise, in [0, 1]."""
    sky = np.median(values)
    noise = 1.4826 * np.median(np.abs(values - sky))
    return shown(np.arcsinh((values - sky) / (3 * noise)), 1, 99.9)


def drawn(exhibit: Exhibit) -> Picture.Image:
    """Return the panels side by side at one height, followed by the kernel, if any."""
    pictures = [Picture.fromarray(np.rint(255 * p).astype(np.uint8)) for p in exhibit.panels]
    pictures = [
        p.convert("RGB").resize((HEIGHT * p.width // p.height, HEIGHT), Picture.Resampling.BICUBIC)
        for p in pictures
    ]
    if exhibit.kernel is not None:
        times = HEIGHT // 3 // exhibit.kernel.shape[0]
        large = np.kron(exhibit.kernel / exhibit.kernel.max(), np.ones((times, times)))
        pictures.append(Picture.fromarray(np.rint(255 * large).astype(np.uint8)))
    row = Picture.new("RGB", (sum(p.width + GAP for p in pictures) - GAP, HEIGHT), "white")
    left = 0
    for picture in pictures:
        row.paste(picture, (left, 0))
        left += picture.width + GAP
    return row


EXHIBITS: tuple[Callable[[Path], Exhibit], ...] = (
    *(shaken, known, night),
    *(microtubules, beads),
    *(galaxy, subaru),
)


def main(data: Path, names: list[str]) -> None:
    """Make the named exhibits, or all."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    kept = json.loads(FIGURES.read_text("utf-8")) if FIGURES.exists() else {"rows": []}
    rows = {row["picture"]: row for row in kept["rows"]}
    for make in EXHIBITS:
        if names and make.__name__ not in names:
            continue
        exhibit = make(data)
        drawn(exhibit).save(PICTURES / f"{make.__name__}.jpg", quality=88, optimize=True)
        rows[make.__name__] = {"picture": make.__name__, **exhibit.figures}
        sys.stdout.write(f"{rows[make.__name__]}\n")
    order = [rows[make.__name__] for make in EXHIBITS if make.__name__ in rows]
    content = {
        "command": "python docs/make_gallery.py ../shared/data",
        "device": describe_device("cpu"),
        "date": datetime.now(UTC).date().isoformat(),
        "unblur": unblur.__version__,
        "rows": order,
    }
    FIGURES.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    lines = ["| picture | measure | before | after |", "| --- | --- | ---: | ---: |"]
    lines += [
        f"| [{r['picture']}](#{r['picture']}) | {r['measure']} | {r['before']} | {r['after']} |"
        for r in order
    ]
    FIGURES.with_suffix(".md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
