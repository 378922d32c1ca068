"""Diagnostics of a PSF beside an image: extent and pixel size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from unblur.numerics.psf.diagnostic import Diagnostic
from unblur.numerics.psf.properties import PsfProperties
from unblur.numerics.psf.sampling import (
    MAX_RATIO,
    SAME,
    TOLERATED,
    describe_sizes,
    largest_difference,
    pixel_size_ratios,
)

AXES = "ZYX"
"""Names of the spatial axes in the order of a 3-D array."""


def compare_sizes(
    properties: PsfProperties, image_shape: Sequence[int] | None
) -> Iterator[Diagnostic]:
    """Yield the diagnostic of the PSF's extent beside that of the image, in pixels."""
    if image_shape is None:
        return
    shape = properties.values.shape
    if len(image_shape) != len(shape):
        yield Diagnostic(
            "error",
            "size",
            f"The PSF has {len(shape)} axes, the image {len(image_shape)} spatial ones.",
            "Nothing; save the plane in focus of a 3-D PSF, or measure one in 3-D.",
        )
    elif any(k > n for k, n in zip(shape, image_shape, strict=True)):
        yield Diagnostic(
            "error",
            "size",
            f"The PSF of {times(shape)} is larger than the image of {times(image_shape)}.",
            "Crops it to its significant samples and, if that is still too large, to the image.",
        )
    elif any(2 * k > n for k, n in zip(shape, image_shape, strict=True)):
        yield Diagnostic(
            "note",
            "size",
            f"The PSF of {times(shape)} is more than half as large as the image of "
            f"{times(image_shape)}, so that much of the observed light comes from outside.",
            "Crops it to its significant samples.",
        )
    else:
        yield Diagnostic("ok", "size", f"{times(shape)} on an image of {times(image_shape)}.")


def compare_pixel_sizes(
    properties: PsfProperties,
    pixel_size: Mapping[str, float] | None,
    image_pixel_size: Mapping[str, float] | None,
    units: Mapping[str, str] | None,
    image_units: Mapping[str, str] | None,
) -> Iterator[Diagnostic]:
    """Yield the diagnostic of the PSF's pixel size beside that of the image; see `validate`."""
    if not pixel_size and not image_pixel_size:
        return  # without any pixel size there is nothing to compare
    axes = AXES[-properties.values.ndim :]
    if image_pixel_size is None:
        stated = describe_sizes(axes, pixel_size or {}, units)
        yield Diagnostic("ok", "pixel size", f"{stated}; no image to compare it with.")
        return
    of_psf, of_image = pixel_size or {}, image_pixel_size
    ratios = pixel_size_ratios(axes, of_psf, of_image, units, image_units)
    both = [a for a in axes if of_psf.get(a) and of_image.get(a)]
    sizes = (
        f"the PSF's pixels are {describe_sizes(axes, of_psf, units)}, "
        f"the image's {describe_sizes(axes, of_image, image_units)}"
    )
    if not ratios and both:
        yield Diagnostic(
            "warning",
            "pixel size",
            f"The units of the pixel sizes cannot be converted: {sizes}.",
            "Nothing; state both in units of one kind.",
        )
        return
    if len(both) < len(axes) and largest_difference(ratios) <= SAME:
        missing = "image" if all(of_psf.get(a) for a in axes) else "PSF"
        yield Diagnostic(
            "note",
            "pixel size",
            f"The {missing} does not state its pixel size along "
            f"{''.join(a for a in axes if a not in both)}, so that it cannot be compared with the "
            "other.",
            "Nothing; state it.",
        )
        return
    difference = largest_difference(ratios)
    if difference <= SAME:
        yield Diagnostic("ok", "pixel size", "The PSF and the image have the same pixel size.")
        return
    stated = ", ".join(f"{r:.3g} along {a}" for a, r in ratios.items())
    yield Diagnostic(
        "warning" if difference <= TOLERATED else "error",
        "pixel size",
        f"The ratio of the PSF's pixel size to the image's is {stated}: {sizes}.",
        "Resamples the PSF to the image's pixels."
        if difference <= MAX_RATIO - 1
        else f"Nothing; a ratio beyond {MAX_RATIO:g} is not resampled. Check both units.",
    )


def times(shape: Sequence[int]) -> str:
    """Return an extent in words, e.g. "9 x 11"."""
    return " x ".join(str(n) for n in shape)
