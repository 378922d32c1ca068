"""Laws of stages that return images or kernels."""

from __future__ import annotations

from typing import Any, cast
from unittest import SkipTest

import torch
from torch import Tensor

from unblur.engine.intake.built_pipeline import check_estimator_fits
from unblur.errors import UnblurError
from unblur.model.stages import Deconvolver, KernelEstimator, Postprocessor
from unblur.testing.law import NOISE, Case, Law
from unblur.testing.scenes import SyntheticScene, gaussian, lopsided, synthetic_scene

SMALL_EXTENTS = ((1, 24), (24, 2), (3, 3), (6, 20))
"""Extents of small images, in pixels."""

TILE = 24
"""Edge length of the tile that is compared with the whole image, in pixels."""

MARGIN = 20
"""Width of the whole image outside the tile's halo, so that the tile has less data, in pixels."""


def kernel_sums_to_one(case: Case) -> None:
    """The kernel is finite, non-negative, sums to 1; the latent image has the input's shape."""
    blurred = case.scene.blurred.to(case.device)
    found = cast(KernelEstimator, case.stage()).estimate(blurred, case.context)
    for row in found.field.kernels:
        for kernel in row:
            weights = torch.tensor(kernel.weights, dtype=torch.float64)
            if not bool(torch.isfinite(weights).all()) or float(weights.min()) < 0:
                case.broken("returns a kernel with negative or non-finite values.")
            if abs(float(weights.sum()) - 1) > 1e-5:
                case.broken(f"returns a kernel of sum {float(weights.sum()):.6f}.")
            if kernel.ndim not in case.cls.dimensions:
                case.broken(f"returns a kernel of {kernel.ndim} axes.")
    if found.latent is not None and found.latent.shape[1:] != blurred.shape[1:]:
        case.broken(f"returns a latent image of {tuple(found.latent.shape)}.")


def takes_grey_and_colour(case: Case) -> None:
    """An estimator accepts images with one channel and with three."""
    plane = case.scene.blurred[:1]
    for channels in (1, 3):
        case.run(plane.expand(channels, *plane.shape[1:]).contiguous())


def keeps_shape_and_type(case: Case) -> None:
    """The result is float32, finite, detached and of the input's shape, for any channel count."""
    for channels in (1, 3):
        for extent in _extents(case):
            given = synthetic_scene(extent, channels=channels, noise=NOISE)
            result = case.run(given.blurred, given.kernel)
            if result.shape != given.blurred.shape or result.dtype != torch.float32:
                case.broken(
                    f"returns for {tuple(given.blurred.shape)} float32 "
                    f"{tuple(result.shape)} {str(result.dtype).removeprefix('torch.')}."
                )
            if not bool(torch.isfinite(result).all()):
                case.broken("returns values that are not finite.")
            if result.requires_grad:
                case.broken("returns a tensor that still tracks gradients.")


def small_images_are_deblurred_or_refused(case: Case) -> None:
    """An image of few rows or columns gives finite values, or an `UnblurError`."""
    for extent in SMALL_EXTENTS:
        blurred = synthetic_scene(extent, gaussian((1, 1), 1.0), noise=NOISE).blurred
        kernel = gaussian(tuple(min(n, 5) for n in extent), 1.0)
        stage = case.stage()
        try:
            if isinstance(stage, KernelEstimator):
                check_estimator_fits(stage, extent)
            result = case.run(blurred, kernel, stage=stage)
        except UnblurError:
            continue
        except Exception as error:
            case.broken(
                f"fails on an image of {extent[0]} x {extent[1]} pixels "
                f"({type(error).__name__}: {error}); raise an ImageError that states what it takes."
            )
        if not bool(torch.isfinite(result).all()):
            case.broken(f"returns values that are not finite for {extent[0]} x {extent[1]} pixels.")


def nears_the_truth(case: Case) -> None:
    """Deconvolution by the true kernel reduces the error, for odd, even and asymmetric kernels."""
    for shape in ((7, 7), (8, 8), (5, 8)):
        for kernel in (gaussian(shape, 1.2), lopsided(shape)):
            _expect_nearer(case, synthetic_scene((72, 64), kernel, noise=NOISE))
    if 3 in case.cls.dimensions:
        _expect_nearer(case, synthetic_scene((12, 32, 28), gaussian((3, 6, 5), 1.0), noise=NOISE))


def channels_are_independent(case: Case) -> None:
    """Channels processed together equal the channels processed one by one."""
    if cast(Deconvolver, case.stage()).couples_channels:
        raise SkipTest("the stage states that it couples channels")
    given = synthetic_scene((64, 64), channels=3, noise=NOISE)
    stage = case.calibrate(given.blurred, given.kernel)
    together = case.run(given.blurred, given.kernel, stage=stage)
    alone = [case.run(plane[None], given.kernel, stage=stage) for plane in given.blurred]
    tolerance = cast(type[Deconvolver], case.cls).tolerance
    case.check_close(together, torch.cat(alone), tolerance, "mixes channels")


def calibration_changes_nothing(case: Case) -> None:
    """A stage calibrated on an image gives the same result on it as without calibration."""
    given = synthetic_scene((64, 64), noise=NOISE)
    stage = case.calibrate(given.blurred, given.kernel)
    calibrated = case.run(given.blurred, given.kernel, stage=stage)
    plain = case.run(given.blurred, given.kernel)
    tolerance = cast(type[Deconvolver], case.cls).tolerance
    case.check_close(calibrated, plain, tolerance, "gives another result once it is calibrated")


def tile_equals_whole(case: Case) -> None:
    """A tile with its halo equals its place in the whole image within `tolerance`.

    The stage is calibrated on the whole image first, as the engine does.
    """
    stage = cast("Deconvolver | Postprocessor", case.stage())
    for kernel in (gaussian((7, 7), 1.2), lopsided((6, 9))):
        halo = stage.halo(kernel)
        if len(halo) != 2 or any(h != int(h) or h < 0 for h in halo):
            case.broken(f"has a halo of {halo}; expected one number of pixels per spatial axis.")
        extent = [TILE + 2 * (int(h) + MARGIN) for h in halo]
        given = synthetic_scene(extent, kernel, noise=NOISE)
        whole = case.run(given.blurred, kernel)
        padded = _box([(MARGIN, TILE + 2 * int(h)) for h in halo])
        crop = _box([(int(h), TILE) for h in halo])
        interior = _box([(MARGIN + int(h), TILE) for h in halo])
        calibrated = case.calibrate(given.blurred, kernel)
        placed = case.context.with_(origin=(MARGIN, MARGIN))
        tile = case.run(given.blurred[padded].contiguous(), kernel, placed, stage=calibrated)
        what = f"returns a tile that differs from the whole image with halo {tuple(halo)}"
        case.check_close(tile[crop], whole[interior], stage.tolerance, what)


def keeps_the_flux_of_a_bead(case: Case) -> None:
    """In 3-D, a blurred bead on a low background gets sharper and keeps its flux within 2 %."""
    if 3 not in case.cls.dimensions:
        raise SkipTest("the stage takes 2-D images only")
    psf = gaussian((5, 7, 7), 1.2)
    blurred = torch.full((1, 21, 33, 33), 0.01)
    blurred[0, 8:13, 13:20, 13:20] += 0.5 * psf.tensor() / float(psf.weights.max())
    result = case.run(blurred, psf)
    flux = float(result.sum() / blurred.sum())
    if abs(flux - 1) > 0.02:
        case.broken(f"changes the flux of a bead by a factor of {flux:.3f}.")
    if not float(result.max()) > float(blurred.max()):
        case.broken("does not sharpen a bead.")


def works_without_a_kernel(case: Case) -> None:
    """A postprocessor runs without a kernel and states its halo for that case."""
    stage = cast(Postprocessor, case.stage())
    blurred = case.scene.blurred
    if len(stage.halo(None)) != blurred.ndim - 1:
        case.broken(f"has a halo of {stage.halo(None)} without a kernel.")
    result = stage.process(blurred, blurred, None, case.context)
    if result.shape != blurred.shape:
        case.broken(f"returns {tuple(result.shape)} for {tuple(blurred.shape)}.")


def _box(spans: list[tuple[int, int]]) -> Any:
    """Return the index of a box from (start, extent) pairs of the trailing axes."""
    return (..., *(slice(start, start + size) for start, size in spans))


def _extents(case: Case) -> list[tuple[int, ...]]:
    extents: list[tuple[int, ...]] = [(48, 61)]
    if 3 in case.cls.dimensions:
        extents.append((9, 24, 27))
    return extents


def _expect_nearer(case: Case, given: SyntheticScene) -> None:
    result = case.run(given.blurred, given.kernel)
    before = _distance(given.blurred, given)
    after = _distance(result, given)
    if not after < before:
        case.broken(
            f"leaves an image blurred by a {'x'.join(map(str, given.kernel.shape))} kernel no "
            f"nearer to the truth: error {before:.4f} before, {after:.4f} after."
        )


def _distance(x: Tensor, given: SyntheticScene) -> float:
    """Return the root mean square error away from the border."""
    inner = tuple(slice(n // 2, -(n // 2) or None) for n in given.kernel.shape)
    return float((x - given.sharp)[(..., *inner)].square().mean().sqrt())


MAKES_IMAGES: tuple[Law, ...] = (
    Law(kernel_sums_to_one, ("kernel",)),
    Law(takes_grey_and_colour, ("kernel",)),
    Law(keeps_shape_and_type, ("deconvolve", "postprocess")),
    Law(small_images_are_deblurred_or_refused, ("kernel", "deconvolve", "postprocess")),
    Law(nears_the_truth, ("deconvolve",)),
    Law(keeps_the_flux_of_a_bead, ("deconvolve",)),
    Law(channels_are_independent, ("deconvolve",)),
    Law(calibration_changes_nothing, ("deconvolve", "postprocess")),
    Law(tile_equals_whole, ("deconvolve", "postprocess")),
    Law(works_without_a_kernel, ("postprocess",)),
)
