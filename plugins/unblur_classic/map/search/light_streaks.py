"""Light streaks: point lights that the blur has smeared, whose common shape is the kernel's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import scipy
import torch
from numpy.typing import NDArray
from torch import Tensor

from unblur.numerics.kernel_ops import pad_to, recentre, remove_small_components
from unblur.numerics.pyramid import odd

LEVELS = (0.1, 0.14, 0.2, 0.28, 0.39, 0.55)
"""Levels at which an image is cut into connected regions, between its smallest value, 0, and its
largest, 1, dimensionless."""
MIN_EXTENT = 8
"""Smallest extent of a streak, in pixels; smaller regions are noise, or lights without blur."""
MAX_REGIONS, MAX_EXAMINED = 20_000, 100
"""Number of regions from which a level is left out, as one of noise or fine texture, and number
of those examined at a level, the highest."""
MIN_RISE = 2.0
"""Smallest peak of a streak in units of the level that cuts it out, both above its surroundings,
dimensionless."""
MAX_SURROUNDINGS, AROUND = 0.25, (0.5, 0.95)
"""Largest difference of two quantiles of the values around an isolated streak, relative to its peak
above the lower one, and the quantiles, dimensionless."""
MIN_CONTRAST = 1.5
"""Smallest peak of a streak above its surroundings, in standard deviations of the image; texture
has less."""
MAX_FILLING = 0.35
"""Largest share of its box that a streak covers above half its peak, dimensionless; a light whose
shape is not that of a path covers more."""
MAX_STREAKS = 40
"""Number of streaks that are compared, those of the highest contrast."""
SAME_SHAPE = 0.7
"""Correlation of gradients from which two streaks have the same shape, dimensionless."""
MAX_EXTENT_RATIO = 1.5
"""Largest ratio of the extents of two streaks that are compared, dimensionless."""
MIN_REPEATS, MAX_REPEATS = 4, 9
"""Smallest number of streaks of one shape, and number of those that are averaged, the most
similar."""
THRESHOLD = 0.1
"""Samples of the median shape below this fraction of its peak are set to 0, dimensionless."""

Array = NDArray[np.float32]


class Streak(NamedTuple):
    """An isolated bright region of an image, without its surroundings.

    Attributes
    ----------
    shape : (h, w)
        Values above the surroundings, 0 elsewhere.
    box : (slice, slice)
        Rows and columns of the shape in the image.
    contrast : float
        Peak above the surroundings, in units of the image.
    """

    shape: Array
    box: tuple[slice, slice]
    contrast: float


def find_light_streaks(image: Tensor, max_size: int) -> Tensor | None:
    """Return the median shape of the streaks of an image, as a kernel; `None` if there are none.

    Parameters
    ----------
    image : (H, W)
        Blurred luma, of any scale.
    max_size : int
        Largest extent of the kernel, in pixels.

    Returns
    -------
    (n, n), optional
        Odd, of sum 1, with its support in the middle.

    Notes
    -----
    A streak is a bright region in dark surroundings. Lights of one image that are smaller than
    the blur have streaks of one shape, whereas other bright regions differ: of the regions, the
    largest group with the same shape is used, if it has at least `MIN_REPEATS` members.

    References
    ----------
    B.-S. Hua, K.-L. Low, "Interactive motion deblurring using light streaks", ICIP 2011. Z. Hu,
    S. Cho, J. Wang, M.-H. Yang, "Deblurring low-light images with light streaks", CVPR 2014.
    """
    values = np.asarray(image.cpu(), np.float32)
    streaks = _isolated_regions(values, min(max_size, min(values.shape) // 3))
    if len(streaks) < MIN_REPEATS:
        return None
    peaks, shifts = _correlations([s.shape for s in streaks])
    same = peaks >= SAME_SHAPE
    best = int(np.where(same, peaks, 0).sum(1).argmax())
    members = np.flatnonzero(same[best])
    members = members[np.argsort(-peaks[best, members], kind="stable")][:MAX_REPEATS]
    if len(members) < MIN_REPEATS:
        return None
    kernel = _median_shape([streaks[int(m)] for m in members], shifts[best, members])
    if kernel is None:
        return None
    middle = recentre(kernel, by="support")
    extent = int(np.ptp(kernel.nonzero().numpy(), axis=0).max()) + 1
    return pad_to(middle, (odd(extent + 2),) * 2).to(image)


def _median_shape(streaks: Sequence[Streak], shifts: NDArray[np.int64]) -> Tensor | None:
    """Return the largest connected part of the median of moved shapes of one peak.

    It is `None` if nothing is common to them.
    """
    longest = max(max(s.shape.shape) for s in streaks)
    edge = scipy.fft.next_fast_len(2 * longest, real=True)
    moved = np.zeros((len(streaks), edge, edge), np.float32)
    for image, streak, shift in zip(moved, streaks, shifts, strict=True):
        rows, columns = streak.shape.shape
        image[:rows, :columns] = streak.shape / streak.contrast
        image[...] = np.roll(image, shift + edge // 4, (0, 1))
    median = torch.from_numpy(np.median(moved, 0))
    if not float(median.max()) > 0:
        return None
    return remove_small_components(median, THRESHOLD, min_component_mass=1.0)


def _isolated_regions(image: Array, max_extent: int) -> list[Streak]:
    """Return the streaks of an image in boxes that do not overlap, the brightest first."""
    low, high = float(image.min()), float(image.max())
    levels = [low + fraction * (high - low) for fraction in LEVELS]
    found = [s for level in levels for s in _regions_above(image, level, max_extent)]
    found.sort(key=lambda s: -s.shape.size)
    used, kept = np.zeros(image.shape, bool), []
    for streak in found:
        if not used[streak.box].any():
            used[streak.box] = True
            kept.append(streak)
    bright = [s for s in kept if s.contrast >= MIN_CONTRAST * image.std()]
    return sorted(bright, key=lambda s: -s.contrast)[:MAX_STREAKS]


def _regions_above(image: Array, level: float, max_extent: int) -> Iterator[Streak]:
    """Yield the isolated connected regions of an image above a level."""
    labels, count = scipy.ndimage.label(image > level, np.ones((3, 3)))
    if count > MAX_REGIONS:
        return
    boxes = scipy.ndimage.find_objects(labels)
    numbers = [n for n, box in enumerate(boxes, 1) if _is_inside(box, image.shape, max_extent)]
    peaks = [image[boxes[n - 1]].max() for n in numbers]
    for _, number in sorted(zip(peaks, numbers, strict=True), reverse=True)[:MAX_EXAMINED]:
        box = boxes[number - 1]
        margin = _margin(box)
        rows, columns = (slice(s.start - margin, s.stop + margin) for s in box)
        streak = _streak_of(image, (rows, columns), labels[rows, columns] == number, level)
        if streak is not None:
            yield streak


def _margin(box: tuple[slice, slice]) -> int:
    """Return the width of the surroundings of a box that are looked at, in pixels."""
    return max(3, _extent(box) // 4)


def _extent(box: tuple[slice, slice]) -> int:
    return max(int(s.stop - s.start) for s in box)


def _is_inside(box: tuple[slice, slice], shape: tuple[int, ...], max_extent: int) -> bool:
    """Return whether a box has the extent of a streak, and its surroundings are in the image."""
    margin = _margin(box)
    return MIN_EXTENT <= _extent(box) <= max_extent and all(
        margin <= s.start and s.stop + margin <= n for s, n in zip(box, shape, strict=True)
    )


def _streak_of(
    image: Array, box: tuple[slice, slice], region: NDArray[np.bool_], level: float
) -> Streak | None:
    """Return the streak that a region is; `None` if it is not isolated, or not like a path."""
    values = image[box]
    own = scipy.ndimage.binary_dilation(region, np.ones((3, 3)), iterations=2)
    around = np.sort(values[~own])
    ground, highest = (float(around[int(q * (len(around) - 1))]) for q in AROUND)
    contrast = float(values[region].max()) - ground
    is_high = ground < level and contrast >= MIN_RISE * (level - ground)
    if not is_high or highest - ground > MAX_SURROUNDINGS * contrast:
        return None
    shape = np.where(own, np.clip(values - ground, 0, None), 0).astype(np.float32)
    extent = max(int(np.ptp(places)) + 1 for places in region.nonzero())
    if np.count_nonzero(shape > contrast / 2) > MAX_FILLING * extent**2:
        return None
    return Streak(shape, box, contrast)


def _correlations(shapes: Sequence[Array]) -> tuple[Array, NDArray[np.int64]]:
    """Return the largest correlation of each two shapes' gradients (n, n), and its shift (n, n, 2).

    The shift, in pixels, is that of the second shape to the first. The correlation of shapes of
    very different extents is 0.
    """
    extents = np.array([max(s.shape) for s in shapes])
    peaks = np.eye(len(shapes), dtype=np.float32)
    shifts = np.zeros((*peaks.shape, 2), np.int64)
    for i, extent in enumerate(extents):
        others = np.flatnonzero((extents <= extent) & (MAX_EXTENT_RATIO * extents >= extent))
        edge = scipy.fft.next_fast_len(2 * int(extent), real=True)
        spectra = _gradient_spectra([shapes[i], *(shapes[int(j)] for j in others)], edge)
        products = scipy.fft.irfft2(spectra[0] * spectra[1:].conj(), (edge, edge))
        flat = products.reshape(len(others), -1)
        places = flat.argmax(1)
        shift = np.stack([places // edge, places % edge], 1)
        shift -= edge * (shift > edge // 2)
        peaks[i, others] = peaks[others, i] = flat.max(1)
        shifts[others, i], shifts[i, others] = -shift, shift
    return peaks, shifts


def _gradient_spectra(shapes: Sequence[Array], edge: int) -> NDArray[np.complex64]:
    """Return the Fourier transforms (n, edge, edge // 2 + 1) of gradient fields of norm 1."""
    spectra = np.stack([scipy.fft.rfft2(s, (edge, edge)) for s in shapes])
    steps = np.abs(2 * np.sin(np.pi * scipy.fft.fftfreq(edge))).astype(np.float32)
    spectra *= np.hypot(steps[:, None], steps[: edge // 2 + 1])
    norms = np.sqrt((scipy.fft.irfft2(spectra, (edge, edge)) ** 2).sum((1, 2)))
    return np.asarray(spectra / norms[:, None, None], np.complex64)
