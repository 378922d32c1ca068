"""An image of a star, and its deconvolution with a given PSF."""

from dataclasses import replace

import numpy as np
from scipy.ndimage import gaussian_filter

from unblur.engine import deblur
from unblur.model.image import Image


def star_image(shape=(48, 56), size=0.1, unit="µm", sigma=1.5):
    """Return the image of a star that is blurred by a Gaussian."""
    sky = np.zeros(shape)
    sky[..., 20, 30] = 1000
    values = gaussian_filter(sky, sigma) + 10
    axes = "ZYX"[-len(shape) :]
    sizes = dict.fromkeys(axes, size) if size else {}
    return Image(values.astype(np.float32), axes, sizes, dict.fromkeys(sizes, unit), source="im")


def sized(kernel, size, unit="µm"):
    """Return a kernel with a pixel size."""
    axes = "ZYX"[-kernel.ndim :]
    return replace(kernel, pixel_size=dict.fromkeys(axes, size), units=dict.fromkeys(axes, unit))


def run(image, psf, **options):
    """Return the result of `wiener` with a PSF."""
    return deblur(image, "wiener", psf, device="cpu", **options)
