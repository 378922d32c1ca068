"""A given PSF as it is used on an image: its sampling, its centre, its pixel size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from unblur.errors import KernelError
from unblur.model.image import ALPHA, Image
from unblur.model.kernel import KernelField
from unblur.numerics.psf.centring import centre_of_mass, undo_offset
from unblur.numerics.psf.sampling import (
    SAME,
    TOLERATED,
    check_resampling,
    describe_sizes,
    largest_difference,
    pixel_size_ratios,
    resample,
)


def fit_psf(
    field: KernelField, image: Image, *, is_resampled: bool = False
) -> tuple[KernelField, tuple[str, ...]]:
    """Return a given PSF as it is used on an image, and warnings on what was odd about it.

    Of a PSF at several samplings the one at the image's pixel size is taken. An offset of the
    centre of mass is undone, unless the PSF keeps it.

    Parameters
    ----------
    field : KernelField
        The PSF as it was given.
    image : Image
        The image to be deblurred.
    is_resampled : bool
        Whether a PSF at another pixel size is resampled to the image's.

    Raises
    ------
    KernelError
        If the pixel sizes differ and the PSF is not resampled, or the PSFs of channels are not as
        many as the image's colours.
    """
    if field.channels:
        return _fit_channels(field, image, is_resampled)
    chosen, warnings = _choose_sampling(field, image, is_resampled)
    name = name_psf(chosen)
    warnings += [f"{name}: {note}" for note in chosen.notes]
    centred, found = undo_offset(chosen, [image.extent(axis) for axis in _axes(chosen)])
    fitted, resampled = _fit_pixel_size(centred, image, is_resampled)
    warnings += [f"{name}: {text}" for text in (*found, *resampled)]
    return fitted, tuple(warnings)


def _fit_channels(
    field: KernelField, image: Image, is_resampled: bool
) -> tuple[KernelField, tuple[str, ...]]:
    """Fit the PSF of each channel."""
    colours = [
        i for i in range(image.extent("C")) if not image.channels or image.channels[i] != ALPHA
    ]
    if len(field.channels) != len(colours):
        raise KernelError(
            f"{image.source} has {len(colours)} colour channels, but there are PSFs for "
            f"{len(field.channels)}; give one for each, e.g. --psf 0=first.tif,1=second.tif."
        )
    fits = [fit_psf(own, image, is_resampled=is_resampled) for own in field.channels]
    fitted = KernelField.of_channels([own for own, _ in fits])
    return fitted, tuple(dict.fromkeys(text for _, texts in fits for text in texts))


def with_image_pixels(field: KernelField, image: Image) -> KernelField:
    """Return kernels that were used on an image, with its pixel size, as they stand."""
    return field.with_kernels(
        lambda kernel: replace(
            kernel,
            pixel_size={**kernel.pixel_size, **image.pixel_size},
            units={**kernel.units, **image.units},
            notes=(),
        ),
        keeps_offset=True,
        oversampling=1.0,
        samplings=(),
    )


def check_pixel_size(field: KernelField, image: Image, remedy: str) -> None:
    """Raise `KernelError`, with the remedy, if kernel and image state pixel sizes that differ."""
    ratios = _ratios(field, image)
    if largest_difference(ratios) > TOLERATED:
        raise KernelError(_describe_mismatch(field, image, ratios, remedy))


def name_psf(field: KernelField) -> str:
    """Return what messages call a PSF: "the PSF", or "the PSF bead.tif"."""
    source = field.source
    return source if source == "the PSF" else f"the PSF {source}"


def _choose_sampling(
    field: KernelField, image: Image, is_resampled: bool
) -> tuple[KernelField, list[str]]:
    """Return the one of several samplings that fits the image, and a note if it is a guess."""
    if not field.samplings:
        return field, []
    candidates = (field, *field.samplings)
    ratios = [_ratios(candidate, image) for candidate in candidates]
    alone = replace(field, samplings=())
    if not any(ratios):
        return alone, [
            f"{name_psf(field)} is taken of {len(candidates)} samplings in its file, with the "
            "pixels of the detector; the image does not state its pixel size."
        ]
    for candidate, found in zip(candidates, ratios, strict=True):
        if found and largest_difference(found) <= SAME:
            return replace(candidate, samplings=()), []
    if not is_resampled:
        return alone, []
    finest = max(candidates, key=lambda candidate: candidate.oversampling)
    return replace(finest, samplings=()), []


def _fit_pixel_size(
    field: KernelField, image: Image, is_resampled: bool
) -> tuple[KernelField, list[str]]:
    """Return the field at the image's pixel size, and warnings."""
    axes = _axes(field)
    ratios = _ratios(field, image)
    difference = largest_difference(ratios)
    sizes = _describe_both(field, image)
    if not ratios and field.oversampling != 1:
        return _fit_detector_pixels(field, image, is_resampled)
    if not ratios and set(axes) & set(field.pixel_size) & set(image.pixel_size):
        return field, [
            f"the units of the pixel sizes cannot be converted, so that they are not compared: "
            f"{sizes}."
        ]
    if difference <= SAME:
        return field, []
    if is_resampled:
        made = _resampled(field, image, ratios)
        return made, [f"it was resampled to the image's pixels: {sizes}."]
    if difference > TOLERATED:
        raise KernelError(_describe_mismatch(field, image, ratios))
    return field, [
        f"its pixel size differs from the image's by {difference:.1%}, and so does the blur that "
        f"is undone: {sizes}; --psf-resample (psf_resample=True in Python) resamples it."
    ]


def _fit_detector_pixels(
    field: KernelField, image: Image, is_resampled: bool
) -> tuple[KernelField, list[str]]:
    """Fit an oversampled PSF to an image whose pixel size cannot be compared with it."""
    times = f"it has {field.oversampling:g} samples per pixel of the detector along an axis"
    if is_resampled:
        made = _resampled(field, image, dict.fromkeys("YX", 1 / field.oversampling))
        return made, [f"{times}, and was resampled to one, as the image is taken to have."]
    return field, [
        f"{times}, and the image does not state a pixel size to compare with; if its pixels are "
        "those of the detector, resample the PSF with --psf-resample (psf_resample=True in Python)."
    ]


def _resampled(field: KernelField, image: Image, ratios: dict[str, float]) -> KernelField:
    check_resampling(ratios)
    axes = _axes(field)
    steps = [ratios.get(axis, 1.0) for axis in axes]
    limit = [image.extent(axis) for axis in axes]
    mean = field.mean.weights
    centre: Sequence[float] = [n // 2 for n in mean.shape]
    if not field.keeps_offset:
        # A PSF of even extent about its middle has its centre between two samples.
        centre = centre_of_mass(mean)
    known = {axis: image.pixel_size[axis] for axis in axes if axis in image.pixel_size}
    return field.with_kernels(
        lambda kernel: replace(
            kernel,
            weights=resample(kernel.weights, steps, centre, limit).astype(np.float32),
            pixel_size={**kernel.pixel_size, **known},
            units={**kernel.units, **{axis: image.units.get(axis, "") for axis in known}},
        ),
        oversampling=1.0,
    )


def _ratios(field: KernelField, image: Image) -> dict[str, float]:
    return pixel_size_ratios(
        _axes(field), field.pixel_size, image.pixel_size, field.units, image.units
    )


def _describe_both(field: KernelField, image: Image) -> str:
    axes = _axes(field)
    return (
        f"the PSF's pixels are {describe_sizes(axes, field.pixel_size, field.units)}, those of "
        f"the image {describe_sizes(axes, image.pixel_size, image.units)}"
    )


def _describe_mismatch(
    field: KernelField,
    image: Image,
    ratios: dict[str, float],
    remedy: str = "resample it with --psf-resample (psf_resample=True in Python)",
) -> str:
    differing = {axis: r for axis, r in ratios.items() if abs(r - 1) > SAME}
    times = ", ".join(f"{ratio:.3g} along {axis}" for axis, ratio in differing.items())
    return (
        f"{name_psf(field)} has another pixel size than the image {image.source}: "
        f"{_describe_both(field, image)}, a ratio of {times}; {remedy}, or correct the "
        "size that is wrong."
    )


def _axes(field: KernelField) -> str:
    return "ZYX"[-field.kernels[0][0].ndim :]
