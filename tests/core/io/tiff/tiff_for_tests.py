"""Values for TIFF files, and the way through a reader and a writer."""

import numpy as np

from unblur.io import read_image, write_image

RNG = np.random.default_rng(7)


def counts(*shape, dtype=np.uint16, top=4000):
    """Return random integers from 0 to below `top`."""
    return RNG.integers(0, top, shape).astype(dtype)


def through(path, out, **options):
    """Read a file, write what was read, and return both images."""
    image = read_image(path, **options)
    return image, read_image(write_image(image, out))
