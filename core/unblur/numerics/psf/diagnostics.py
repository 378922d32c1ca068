"""Validation of a PSF: one diagnostic for each property that affects deconvolution."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import scipy

from unblur.errors import KernelError
from unblur.model.kernel_samples import NEGLIGIBLE
from unblur.numerics.psf.diagnostic import Diagnostic
from unblur.numerics.psf.properties import NOISE_SHARE, PsfProperties, as_array
from unblur.numerics.psf.size_diagnostics import compare_pixel_sizes, compare_sizes, times

FULL_SCALES = tuple(2**bits - 1 for bits in (8, 10, 12, 14, 16))
"""Saturation levels of cameras with 8 to 16 bits, in counts."""


def validate(
    psf: Any,
    image_shape: Sequence[int] | None = None,
    *,
    pixel_size: Mapping[str, float] | None = None,
    image_pixel_size: Mapping[str, float] | None = None,
    units: Mapping[str, str] | None = None,
    image_units: Mapping[str, str] | None = None,
) -> list[Diagnostic]:
    """Return the diagnostics of a PSF, one per checked property, including those without defect.

    Parameters
    ----------
    psf : (H, W) or (Z, H, W) array, or Kernel
        The PSF as read from its file, without normalisation.
    image_shape : sequence of int, optional
        Spatial extent of the image to be deconvolved, in pixels.
    pixel_size, image_pixel_size : mapping of "Z", "Y", "X" to float, optional
        Sampling step of the PSF and of the image; that of the image is empty if it states none,
        and None without an image.
    units, image_units : mapping of axis to str, optional
        Their units, which are converted; without them both are in the same unit.

    Returns
    -------
    list of Diagnostic
        A single entry of severity "error" if the array holds no PSF.

    Example
    -------
    >>> disk = np.hypot(*np.mgrid[-4:5, -4:5]) <= 3
    >>> [f.what for f in validate(100.0 * disk + 3) if f.level != "ok"]
    ['background', 'sum', 'peak']
    """
    try:
        values = as_array(psf)
    except KernelError as error:
        return [Diagnostic("error", "axes", str(error), "Nothing; choose the right file.")]
    properties = PsfProperties(values)
    unusable = _unusable(properties)
    if unusable is not None:
        return [unusable]
    raw = np.asarray(psf) if not hasattr(psf, "weights") else values
    return [
        _values(values),
        *_order(properties),
        _background(properties),
        _noise(properties),
        _negatives(properties),
        _sum(properties),
        _centre(properties),
        *_parity(properties),
        _tails(properties),
        _border(properties),
        _peak(raw, properties),
        *compare_sizes(properties, image_shape),
        *compare_pixel_sizes(properties, pixel_size, image_pixel_size, units, image_units),
        _width(properties),
    ]


def _unusable(properties: PsfProperties) -> Diagnostic | None:
    if not np.isfinite(properties.values).any():
        return Diagnostic("error", "values", "No sample is a finite number.", "Nothing.")
    if not properties.finite.any():
        return Diagnostic("error", "values", "All samples are 0.", "Nothing; it holds no PSF.")
    if not properties.cleaned.any():
        return Diagnostic(
            "error",
            "values",
            f"No sample is above the background of {properties.background:.4g}.",
            "Nothing; it holds no PSF.",
        )
    return None


def _values(values: Any) -> Diagnostic:
    bad = int(values.size - np.isfinite(values).sum())
    if bad:
        return Diagnostic(
            "error",
            "values",
            f"{bad} of {values.size} samples are NaN or infinite.",
            "Replaces them by the background.",
        )
    return Diagnostic("ok", "values", f"{values.size} finite samples.")


def _order(properties: PsfProperties) -> Iterator[Diagnostic]:
    if properties.in_fourier_order:
        yield Diagnostic(
            "error",
            "order",
            "The centre lies at index 0 and the PSF wraps around the borders.",
            "Moves index 0 to the middle.",
        )


def _background(properties: PsfProperties) -> Diagnostic:
    level = properties.background
    if level == 0:
        return Diagnostic("ok", "background", "No pedestal.")
    share = level * properties.values.size / abs(float(properties.finite.sum()))
    return Diagnostic(
        "warning",
        "background",
        f"A pedestal of {level:.4g} lies under the PSF: {share:.0%} of its sum.",
        "Subtracts it.",
    )


def _noise(properties: PsfProperties) -> Diagnostic:
    if properties.noise_share <= NOISE_SHARE:
        return Diagnostic("ok", "noise", "The noise is negligible.")
    return Diagnostic(
        "note",
        "noise",
        f"Noise of standard deviation {properties.noise:.3g} would, clipped at 0, add "
        f"{properties.noise_share:.0%} to the sum.",
        "Keeps the connected region around the peak that is above the noise.",
    )


def _negatives(properties: PsfProperties) -> Diagnostic:
    lowest, peak = float(properties.finite.min()), float(properties.finite.max())
    count = int((properties.finite < 0).sum())
    if not count:
        return Diagnostic("ok", "negatives", "No negative samples.")
    text = f"{count} samples are negative, down to {lowest:.3g} ({lowest / peak:.1%} of the peak)."
    if -lowest <= NEGLIGIBLE * peak:
        return Diagnostic("note", "negatives", text, "Sets them to 0, as a run does.")
    return Diagnostic(
        "error",
        "negatives",
        text,
        "Subtracts the background and sets the remaining negative samples to 0.",
    )


def _sum(properties: PsfProperties) -> Diagnostic:
    total = float(properties.finite.sum())
    if abs(total - 1) < 1e-3:
        return Diagnostic("ok", "sum", "The samples sum to 1.")
    return Diagnostic("note", "sum", f"The samples sum to {total:.4g}.", "Scales the sum to 1.")


def _centre(properties: PsfProperties) -> Diagnostic:
    offset = ", ".join(f"{o:+.2f}" for o in properties.offset)
    off = float(np.abs(properties.offset).max())
    if off <= 0.1:
        return Diagnostic("ok", "centre", "The centre of mass lies at index n // 2.")
    return Diagnostic(
        "warning" if off > 0.55 else "note",
        "centre",
        f"The centre of mass lies ({offset}) pixels from index n // 2, which shifts the result.",
        "Moves it to index n // 2, to the nearest pixel."
        if off > 0.5
        else "Nothing; half a pixel or less cannot be moved without blurring the PSF.",
    )


def _parity(properties: PsfProperties) -> Iterator[Diagnostic]:
    even = [n for n in properties.values.shape if n % 2 == 0]
    if even:
        yield Diagnostic(
            "note",
            "parity",
            f"The extent {times(properties.values.shape)} is even, so that no sample is the middle "
            "one; programs differ in which they take, here it is n // 2.",
            "Crops to an odd extent about the centre of mass.",
        )


def _tails(properties: PsfProperties) -> Diagnostic:
    border = properties.border
    if not border.size or border.max() <= 0.01:
        return Diagnostic("ok", "tails", "The PSF falls to 0 inside its support.")
    return Diagnostic(
        "warning" if border.max() > 0.05 and (border > 0.01).mean() > 0.25 else "note",
        "tails",
        f"The largest border sample is {border.max():.1%} of the peak; unless the kernel is meant "
        "to end there, its tails are cut off.",
        "Nothing; use a larger support.",
    )


def _border(properties: PsfProperties) -> Diagnostic:
    kept = tuple(2 * r + 1 for r in properties.half_width)
    empty = max(n - k for n, k in zip(properties.values.shape, kept, strict=True)) // 2
    if empty <= 2:
        return Diagnostic("ok", "border", "No empty border.")
    used = tuple(min(k, n) for k, n in zip(kept, properties.values.shape, strict=True))
    return Diagnostic(
        "note",
        "border",
        f"Only {times(used)} of {times(properties.values.shape)} samples are significant; the "
        "others cost time.",
        f"Crops to {times(kept)}.",
    )


def _peak(raw: Any, properties: PsfProperties) -> Diagnostic:
    top = np.isfinite(properties.values) & (properties.finite >= properties.finite.max())
    pieces, count = scipy.ndimage.label(top)
    largest = int(np.bincount(pieces.ravel())[1:].max()) if count else 0
    if largest < 3:
        return Diagnostic("ok", "peak", "The peak is not clipped.")
    if raw.dtype.kind in "ui" and int(properties.finite.max()) in FULL_SCALES:
        return Diagnostic(
            "warning",
            "peak",
            f"{largest} neighbouring samples hold {int(properties.finite.max())}, "
            "the full scale of a camera: the peak is saturated.",
            "Nothing; measure again with a shorter exposure.",
        )
    return Diagnostic(
        "note",
        "peak",
        f"{largest} neighbouring samples share the largest value; expected for defocus or "
        "straight motion, a saturated peak otherwise.",
    )


def _width(properties: PsfProperties) -> Diagnostic:
    width = properties.width
    text = f"Full width at half maximum {' x '.join(f'{w:.2f}' for w in width)} pixels."
    if float(width.max()) < 1.3:
        return Diagnostic(
            "note", "width", f"{text} The PSF hardly blurs; deconvolution changes little."
        )
    return Diagnostic("ok", "width", text)
