"""Images and kernels of the pinned results, the same in every bit on every machine.

They are made with sums, products and comparisons alone: the values of exp, of a Fourier transform
or of a matrix product depend on the processor in the last bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

SHAKE = (
    (0, 0, 0, 0, 0, 0, 0, 0, 0),
    (0, 0, 1, 3, 1, 0, 0, 0, 0),
    (0, 0, 0, 2, 5, 2, 0, 0, 0),
    (0, 0, 0, 0, 3, 7, 2, 0, 0),
    (0, 0, 0, 0, 1, 6, 5, 0, 0),
    (0, 0, 0, 1, 4, 5, 1, 0, 0),
    (0, 0, 1, 3, 2, 0, 0, 0, 0),
    (0, 0, 1, 1, 0, 0, 0, 0, 0),
    (0, 0, 0, 0, 0, 0, 0, 0, 0),
)
"""Blur of a shaken camera on a grid of 9 x 9 pixels, sum 57."""


def shake() -> Array:
    """Return the kernel of a shaken camera, (9, 9), sum 1."""
    weights = np.array(SHAKE, float)
    return weights / weights.sum()


def binomial(length: int, ndim: int) -> Array:
    """Return a bell-shaped kernel, `length` pixels along each of `ndim` axes, sum 1."""
    line = np.ones(1)
    for _ in range(length - 1):
        line = (np.pad(line, (1, 0)) + np.pad(line, (0, 1))) / 2
    kernel = line
    for _ in range(ndim - 1):
        kernel = kernel[..., None] * line
    return kernel


def blur(scene: Array, kernel: Array) -> Array:
    """Return the valid part of the convolution of the last axes of `scene` with `kernel`."""
    ndim = kernel.ndim
    extent = [n - k + 1 for n, k in zip(scene.shape[-ndim:], kernel.shape, strict=True)]
    blurred = np.zeros((*scene.shape[:-ndim], *extent))
    for place in np.ndindex(*kernel.shape):
        weight = kernel[tuple(k - 1 - p for k, p in zip(kernel.shape, place, strict=True))]
        if weight:
            window = tuple(slice(p, p + n) for p, n in zip(place, extent, strict=True))
            blurred += weight * scene[(..., *window)]
    return blurred


def noise(random: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Return nearly Gaussian noise of standard deviation 1: sums of 12 even draws."""
    total = np.zeros(shape)
    for _ in range(12):
        total += random.random(shape)
    return total - 6


def photograph(random: np.random.Generator, height: int, width: int) -> Array:
    """Return a scene of discs, blocks, fine texture and a slope of light, black 0, white 1."""
    rows, columns = np.mgrid[:height, :width]
    scene = 0.25 + 0.3 * rows / height + 0.1 * columns / width
    for index in range(40):
        y, x = random.random() * height, random.random() * width
        size, grey = 3 + random.random() * 9, 0.05 + 0.8 * random.random()
        if index % 2:
            inside = (rows - y) ** 2 + (columns - x) ** 2 < size**2
        else:
            inside = (abs(rows - y) < size) & (abs(columns - x) < size / 2)
        scene = np.where(inside, grey, scene)
    texture = blur(random.random((height + 2, width + 2)) - 0.5, binomial(3, 2))
    return scene + 0.08 * texture


def grey() -> Array:
    """Return a shaken grey photograph, (88, 96) uint8."""
    random = np.random.default_rng(1)
    blurred = blur(photograph(random, 96, 104), shake())
    return _integers(blurred + 0.006 * noise(random, blurred.shape), np.uint8)


def colour() -> Array:
    """Return a shaken colour photograph with lamps beyond white, (80, 72, 3) uint8."""
    random = np.random.default_rng(2)
    base = photograph(random, 88, 80)
    tint = photograph(random, 88, 80)
    scene = np.stack([base, 0.7 * base + 0.3 * tint, 0.5 * base + 0.4 * tint])
    rows, columns = np.mgrid[:88, :80]
    for y, x in ((20, 60), (62, 24)):
        scene[:, (rows - y) ** 2 + (columns - x) ** 2 < 8] = 6.0
    blurred = blur(scene, shake())
    noisy = blurred + 0.008 * noise(random, blurred.shape)
    return np.ascontiguousarray(_integers(noisy, np.uint8).transpose(1, 2, 0))


def stars() -> Array:
    """Return a field of stars over a bright sky with NaN pixels, (90, 84) float32, in counts."""
    random = np.random.default_rng(3)
    scene = np.zeros((98, 92))
    for y in range(12, 90, 16):
        for x in range(12, 84, 17):
            place = y + int(5 * random.random()), x + int(5 * random.random())
            scene[place] += 2000 + 30000 * random.random() ** 3
    counts = 200 + blur(scene, binomial(9, 2))
    counts = (counts + np.sqrt(counts) * noise(random, counts.shape)).astype(np.float32)
    counts[40:43, 30:36] = np.nan
    counts[random.random(counts.shape) < 0.002] = np.nan
    return counts


def volume() -> Array:
    """Return beads in a volume, (12, 44, 48) float32 within 0 to 1."""
    random = np.random.default_rng(4)
    scene = np.full((16, 48, 52), 0.02)
    for y in range(9, 44, 15):
        for x in range(9, 48, 16):
            z = 5 + int(6 * random.random())
            scene[z, y + int(4 * random.random()), x + int(4 * random.random())] += 6.0
    blurred = blur(scene, binomial(5, 3))
    blurred = blurred + 0.003 * noise(random, blurred.shape)
    return np.clip(blurred, 0, 1).astype(np.float32)


def stack() -> Array:
    """Return three planes of a shaken photograph, each with other noise, (3, 72, 64) uint16."""
    random = np.random.default_rng(5)
    blurred = blur(photograph(random, 80, 72), shake())
    planes = np.stack([s * blurred + 0.004 * noise(random, blurred.shape) for s in (0.9, 1, 0.6)])
    return _integers(planes, np.uint16)


def _integers(values: Array, dtype: Any) -> Array:
    top = np.iinfo(dtype).max
    return np.floor(np.clip(values, 0, 1) * top + 0.5).astype(dtype)


IMAGES = {
    "grey": (grey, "YX"),
    "colour": (colour, "YXC"),
    "stars": (stars, "YX"),
    "volume": (volume, "ZYX"),
    "stack": (stack, "ZYX"),
}
"""What makes each image, and its axes."""

KERNELS = {
    "shake": shake,
    "star": lambda: binomial(9, 2),
    "bead": lambda: binomial(5, 3),
}
"""What makes each kernel that is given."""
