"""The steps of a pipeline, run one after the other on one tensor."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite

import torch
from torch import Tensor

from unblur.engine.intake.built_pipeline import check_estimator_fits, check_kernel_fits
from unblur.engine.intake.image_statistics import ImageStatistics
from unblur.errors import ImageError, PluginError, UsageError
from unblur.model.context import Context
from unblur.model.kernel import Kernel, KernelField
from unblur.model.stages import Deconvolver, Estimate, KernelEstimator, Postprocessor, Stage
from unblur.numerics.channel_masks import can_share, channel_masks, joint_mask
from unblur.numerics.filter_flow import deconvolve_varying
from unblur.plugins.faults import fault_of
from unblur.plugins.returned import check_estimate, check_halo, check_tensor

WINDOW_HALO = 1
"""Largest halo of a window that has its own kernel, in kernel widths."""

Box = tuple[slice, ...]

UNCHANGED = 1e-7
"""Largest difference at which a deconvolved image counts as unchanged, white = 1."""

POINT = 0.999
"""Largest weight above which a kernel counts as a single point, dimensionless."""


@dataclass(eq=False)
class StepResult:
    """State of a sequence of steps on one tensor.

    Attributes
    ----------
    image : (C, *spatial) tensor
        The result, white = 1.
    estimate : Estimate, optional
        The kernel in use and, where the method yields one, the latent image.
    seconds : list of float
        Time spent in each step; 0 for a kernel step that a given kernel replaces.
    warnings : list of str
        Likely faults of the result, one sentence each.
    """

    image: Tensor
    estimate: Estimate | None = None
    seconds: list[float] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def kernel(self) -> Kernel | None:
        """The kernel in use, averaged where there are several."""
        return None if self.estimate is None else self.estimate.kernel


def run_steps(
    blurred: Tensor,
    stages: Sequence[Stage],
    kernel: Kernel | KernelField | None,
    context: Context,
    mask: Tensor | None = None,
    *,
    origin: tuple[int, int] = (0, 0),
    statistics: ImageStatistics | None = None,
    parts: Sequence[Box] = (),
) -> StepResult:
    """Run a whole pipeline on one tensor in memory.

    Parameters
    ----------
    blurred : (C, *spatial) float32
        Finite everywhere, white = 1.
    stages : sequence of Stage
        The steps, in order.
    kernel : Kernel or KernelField, optional
        The blur, if known: the kernel step is then left out.
    context : Context
        Device, seed, noise, progress, cancellation.
    mask : (*spatial) or (C, *spatial) float32, optional
        1 = valid pixel. It is given to the first deconvolution, which fills the other pixels, each
        channel with its own mask, and to the kernel step with the pixels valid in all channels;
        later steps are given a complete image.
    origin : (int, int)
        Row and column of the tensor's first pixel in the image to which a kernel field refers.
    statistics : ImageStatistics, optional
        Noise and contrast of the channels of the image that the tensor is a part of. Stages
        measure the tensor itself without it.
    parts : sequence of boxes, optional
        For each step the part of the tensor that it is given, within that of the step before; the
        result is the last part. All of it without.

    Raises
    ------
    UsageError
        If a step needs a kernel and there is none.
    KernelError
        If the kernel does not fit the image.
    Cancelled
        If the user requested it.
    """
    result = StepResult(blurred)
    if kernel is not None:
        field = kernel if isinstance(kernel, KernelField) else KernelField.single(kernel)
        result.estimate = Estimate(field)
    context = context.with_(origin=origin)
    pooled = context if statistics is None else statistics.pooled(context)
    alone = None if statistics is None else statistics.contexts(context)
    keeps_latent = not any(isinstance(stage, Deconvolver) for stage in stages)
    start, position = (0,) * (blurred.ndim - 1), origin
    for number, stage in enumerate(stages):
        context.checkpoint()
        began = time.perf_counter()
        if parts:
            part = parts[number]
            box = tuple(slice(p.start - s, p.stop - s) for p, s in zip(part, start, strict=True))
            result.image, blurred = _cut(result.image, box), _cut(blurred, box)
            mask = None if mask is None else _cut(mask, box)
            start = tuple(p.start for p in part)
            position = (origin[0] + start[-2], origin[1] + start[-1])
            pooled = pooled.with_(origin=position)
        if isinstance(stage, KernelEstimator):
            if kernel is None:
                _estimate(result, stage, pooled, joint_mask(mask, blurred), keeps_latent)
        elif isinstance(stage, Deconvolver):
            if stage.couples_channels:
                _deconvolve(result, stage, [pooled], joint_mask(mask, blurred), position)
            else:
                _deconvolve(result, stage, alone or [pooled], mask, position)
            mask = None
        elif isinstance(stage, Postprocessor):
            made = stage.process(result.image, blurred, result.kernel, pooled)
            _accept(result, stage, check_tensor(made, stage, "process"))
        result.seconds.append(time.perf_counter() - began)
    return result


def _cut(x: Tensor, box: Box) -> Tensor:
    """Return a part of a tensor along its last axes, contiguous."""
    for axis, part in enumerate(box, start=x.ndim - len(box)):
        x = x.narrow(axis, part.start, part.stop - part.start)
    return x.contiguous()


def run_until_kernel(
    blurred: Tensor, stages: Sequence[Stage], context: Context, mask: Tensor | None = None
) -> StepResult:
    """Run the steps up to and including the kernel step, which must be among them."""
    kinds = [stage.kind for stage in stages]
    return run_steps(blurred, stages[: kinds.index("kernel") + 1], None, context, mask)


def _estimate(
    result: StepResult, stage: KernelEstimator, context: Context, mask: Tensor | None, latent: bool
) -> None:
    check_estimator_fits(stage, result.image.shape[1:])
    if float(result.image.max() - result.image.min()) == 0:
        raise ImageError(
            "all values of the image are equal, so its blur cannot be estimated; give the kernel "
            "(psf=... or --psf FILE) or another image."
        )
    found = stage.estimate(result.image, context, mask)
    result.estimate = check_estimate(found, stage, "estimate", result.image.ndim - 1)
    result.warnings += [f"kernel '{stage.name}': {note}" for note in result.estimate.notes]
    if latent and result.estimate.latent is not None:
        _accept(result, stage, check_tensor(result.estimate.latent, stage, "estimate"))
    weights = result.estimate.kernel.weights
    if weights.max() > POINT:
        result.warnings.append(
            f"kernel '{stage.name}' found no blur: the kernel is a single point; "
            "if the image looks blurred, try another estimator or another size."
        )


def _deconvolve(
    result: StepResult,
    stage: Deconvolver,
    contexts: Sequence[Context],
    mask: Tensor | None,
    origin: tuple[int, int],
) -> None:
    if result.estimate is None:
        raise UsageError(
            f"deconvolve '{stage.name}' needs the blur kernel; give one (psf=... or --psf FILE) "
            "or put a kernel step before it."
        )
    field, before = result.estimate.field, result.image
    check_kernel_fits(field.kernels[0][0], before.shape[1:], stage)

    def deblur(
        piece: Tensor,
        kernel: Kernel,
        valid: Tensor | None,
        position: tuple[int, int],
        window_axes: tuple[bool, ...] = (),
    ) -> Tensor:
        placed = [context.with_(origin=position, window_axes=window_axes) for context in contexts]
        masks = channel_masks(valid, piece)
        level = placed[0].saturation_level if stage.bounds_saturated else None
        if len(placed) == 1 and can_share(piece, masks, level):
            return _deblur_valid(stage, piece, kernel, placed[0], joint_mask(valid, piece))
        # Channels of different brightness are each regularised by its own noise and contrast.
        return torch.cat(
            [
                _deblur_valid(stage, channel[None], kernel, placed[min(i, len(placed) - 1)], own)
                for i, (channel, own) in enumerate(zip(piece, masks, strict=True))
            ]
        )

    if field.channels:
        own = zip(before, field.channels, channel_masks(mask, before), strict=True)
        made = torch.cat(
            [
                _deblur_valid(
                    stage, channel[None], kernels.mean, contexts[min(i, len(contexts) - 1)], valid
                )
                for i, (channel, kernels, valid) in enumerate(own)
            ]
        )
    elif field.is_uniform:
        made = deblur(before, field.mean, mask, origin)
    else:
        halo = window_halo(stage, field)
        # The halo of a window is smaller than the stage's: the scene beyond it matters.
        contexts = [context.with_(cut_axes=()) for context in contexts]
        if contexts[0].contrast is None:
            contexts = _measured_contexts(contexts[0], stage, before, mask)
        made = deconvolve_varying(deblur, before, field, halo, origin, mask)
    _accept(result, stage, made)
    points = all(kernel.weights.max() > POINT for kernel in field.every_kernel)
    is_valid = mask is None or bool(mask.any())
    if is_valid and not points and _is_unchanged(result.image, before):
        result.warnings.append(
            f"deconvolve '{stage.name}' returned its input unchanged; its params may be too "
            "strong a prior for this image."
        )


def _measured_contexts(
    context: Context, stage: Deconvolver, image: Tensor, mask: Tensor | None
) -> list[Context]:
    """Return the contexts of an image's channels, or of all, with noise and contrast measured.

    The windows of a field share them, as tiles do.
    """
    noise = context.noise if stage.needs_noise else 0.0
    measured = ImageStatistics.of_whole(image, joint_mask(mask, image), noise)
    found = [measured.pooled(context)] if stage.couples_channels else measured.contexts(context)
    return found if stage.needs_noise else [own.with_(noise=context.noise) for own in found]


def _deblur_valid(
    stage: Deconvolver, piece: Tensor, kernel: Kernel, context: Context, mask: Tensor | None
) -> Tensor:
    """Deconvolve channels that share a mask; they stay as they are if no pixel is valid.

    So does an image of one value, which is the blur of itself alone: networks move it a little.
    """
    if mask is not None and not bool(mask.any()):
        return piece
    if (context.contrast or 0.0) <= UNCHANGED and _is_constant(piece):
        return piece
    return check_tensor(stage.deconvolve(piece, kernel, context, mask), stage, "deconvolve")


def field_halo(stage: Deconvolver, field: KernelField, context: Context) -> tuple[int, ...]:
    """Return the halo of tiles that suffices for every kernel of a field."""
    kernels = field.every_kernel
    if type(stage).tile_halo is Deconvolver.tile_halo:  # which adds to `halo`
        check_halo(stage.halo(kernels[0]), stage, kernels[0].ndim)
    halos = [
        check_halo(stage.tile_halo(kernel, context), stage, kernel.ndim, "tile_halo")
        for kernel in kernels
    ]
    return tuple(max(extents) for extents in zip(*halos, strict=True))


def window_halo(stage: Deconvolver, field: KernelField) -> tuple[int, ...]:
    """Return the halo of a window that has its own kernel.

    It is smaller than the stage's, with which tiles of one kernel agree to the last digit: here
    the kernels differ, and a halo of one kernel width suppresses the errors of the border
    (`benchmarks/field_windows.py`: with two, the result is no better).
    """
    limit = tuple(WINDOW_HALO * n for n in field.kernels[0][0].shape)
    largest = (0,) * len(limit)
    for kernel in field.every_kernel:
        largest = tuple(map(max, largest, check_halo(stage.halo(kernel), stage, kernel.ndim)))
        if all(own >= n for own, n in zip(largest, limit, strict=True)):
            return limit
    return tuple(map(min, largest, limit))


def _accept(result: StepResult, stage: Stage, made: Tensor) -> None:
    """Check a step's result (shape, finite values, not all zero) and make it the image."""
    before = result.image
    if made.shape != before.shape:
        raise UsageError(
            f"{stage.kind} '{stage.name}' must keep the shape {tuple(before.shape)}, "
            f"but returned {tuple(made.shape)}; {fault_of(type(stage))}."
        )
    made = made.detach().to(torch.float32)
    total = float(made.sum())
    if not isfinite(total):
        broken = ~torch.isfinite(made)
        count = int(broken.sum())
        if count == made.numel():
            raise PluginError(
                f"{stage.kind} '{stage.name}' returned only NaN and infinite values ({count}); try "
                f"other params or another stage; {fault_of(type(stage))}."
            )
        if count:
            result.warnings.append(
                f"{stage.kind} '{stage.name}' made {count} of {made.numel()} values NaN or "
                "infinite; they keep what they were before it."
            )
            made = torch.where(broken, before, made)
            total = 0.0
    if total == 0 and not bool(made.any()) and bool(before.any()):
        result.warnings.append(f"{stage.kind} '{stage.name}' returned nothing but zeros.")
    result.image = made


def _is_constant(image: Tensor) -> bool:
    """Return whether each channel has one value; the first row is compared first."""
    flat = image.flatten(1)
    return all(bool((part == flat[:, :1]).all()) for part in (flat[:, : image.shape[-1]], flat))


def _is_unchanged(made: Tensor, before: Tensor) -> bool:
    """Return whether two images differ by `UNCHANGED` at most; the middle row is compared first.

    One whose values are all equal is left out: without blur or with it, it is the same.
    """
    row = (..., slice(made.shape[-2] // 2, made.shape[-2] // 2 + 1), slice(None))
    is_same = all(bool((made[part] - before[part]).abs().max() <= UNCHANGED) for part in (row, ...))
    return is_same and float(before.max() - before.min()) > UNCHANGED
