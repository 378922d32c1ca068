"""The steps of a pipeline, run one after the other on one tensor."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from unblur.engine.intake.checks import check_estimator_fits, check_kernel_fits
from unblur.engine.intake.statistics import Levels
from unblur.engine.steps.space_variant import deconvolve_varying
from unblur.errors import ImageError, UsageError
from unblur.model.context import Context
from unblur.model.kernel import Kernel, KernelField
from unblur.model.stages import Deconvolver, Estimate, KernelEstimator, Postprocessor, Stage

WINDOW_HALO = 2
"""Kernel widths around a window with a kernel of its own."""

SAME = 1e-7
"""Largest difference, white = 1, at which a deconvolved image counts as unchanged."""


@dataclass(eq=False)
class Chain:
    """What a chain of steps made of one tensor.

    Attributes
    ----------
    image : (C, *spatial) tensor
        The result, white = 1.
    estimate : Estimate, optional
        The kernel in use and, where the method yields one, the latent image.
    seconds : list of float
        Time spent in each step; 0 for a kernel step that was spared by a given kernel.
    warnings : list of str
        What looks wrong with the result, one sentence each.
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
    levels: Levels | None = None,
) -> Chain:
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
    mask : (*spatial) float32, optional
        1 = valid pixel, 0 = invalid. It goes to the kernel step and to the first
        deconvolution, which fills the rest; later steps see a complete image.
    origin : (int, int)
        Row and column of the tensor's first pixel in the image, to which a kernel field refers.
    levels : Levels, optional
        Noise and contrast of the channels of the image that the tensor is a part of. Stages
        measure the tensor itself without it.

    Raises
    ------
    UsageError
        If a step needs a kernel and there is none.
    KernelError
        If the kernel does not fit the image.
    Cancelled
        If the user asked to stop.
    """
    chain = Chain(blurred)
    if kernel is not None:
        field = kernel if isinstance(kernel, KernelField) else KernelField.single(kernel)
        chain.estimate = Estimate(field)
    together = context if levels is None else levels.together(context)
    alone = None if levels is None else levels.contexts(context)
    keeps_latent = not any(isinstance(stage, Deconvolver) for stage in stages)
    for stage in stages:
        context.checkpoint()
        began = time.perf_counter()
        if isinstance(stage, KernelEstimator):
            if kernel is None:
                _estimate(chain, stage, together, mask, keeps_latent)
        elif isinstance(stage, Deconvolver):
            _deconvolve(chain, stage, alone or [together], mask, origin)
            mask = None
        elif isinstance(stage, Postprocessor):
            made = stage.process(chain.image, blurred, chain.kernel, together)
            _accept(chain, stage, made)
        chain.seconds.append(time.perf_counter() - began)
    return chain


def run_until_kernel(
    blurred: Tensor, stages: Sequence[Stage], context: Context, mask: Tensor | None = None
) -> Chain:
    """Run the steps up to and including the kernel step, which must be among them."""
    kinds = [stage.kind for stage in stages]
    return run_steps(blurred, stages[: kinds.index("kernel") + 1], None, context, mask)


def _estimate(
    chain: Chain, stage: KernelEstimator, context: Context, mask: Tensor | None, latent: bool
) -> None:
    check_estimator_fits(stage, chain.image.shape[1:])
    if float(chain.image.max() - chain.image.min()) == 0:
        raise ImageError(
            "all values of the image are equal, so there is no blur to be found; give the kernel "
            "(psf=... or --psf FILE) or another image."
        )
    chain.estimate = stage.estimate(chain.image, context, mask)
    chain.warnings += [f"kernel '{stage.name}': {note}" for note in chain.estimate.notes]
    if latent and chain.estimate.latent is not None:
        _accept(chain, stage, chain.estimate.latent)
    weights = chain.estimate.kernel.weights
    if weights.max() > 0.999:
        chain.warnings.append(
            f"kernel '{stage.name}' found no blur: the kernel is a single point; "
            "if the image looks blurred, try another estimator or another size."
        )


def _deconvolve(
    chain: Chain,
    stage: Deconvolver,
    contexts: Sequence[Context],
    mask: Tensor | None,
    origin: tuple[int, int],
) -> None:
    if chain.estimate is None:
        raise UsageError(
            f"deconvolve '{stage.name}' needs the blur kernel; give one (psf=... or --psf FILE) "
            "or put a kernel step before it."
        )
    field, before = chain.estimate.field, chain.image
    check_kernel_fits(field.kernels[0][0], before.shape[1:], stage)

    def deblur(piece: Tensor, kernel: Kernel, seen: Tensor | None) -> Tensor:
        if len(contexts) == 1:
            return stage.deconvolve(piece, kernel, contexts[0], seen)
        # Channels of different brightness are regularised each by its own noise and contrast.
        alone = [
            stage.deconvolve(channel[None], kernel, context, seen)
            for channel, context in zip(piece, contexts, strict=True)
        ]
        return torch.cat(alone)

    if field.is_uniform:
        made = deblur(before, field.mean, mask)
    else:
        halo = window_halo(stage, field)
        made = deconvolve_varying(deblur, before, field, halo, origin, mask)
    _accept(chain, stage, made)
    points = all(kernel.weights.max() > 0.999 for row in field.kernels for kernel in row)
    if not points and bool((chain.image - before).abs().max() <= SAME):
        chain.warnings.append(
            f"deconvolve '{stage.name}' returned its input unchanged; its params may be too "
            "strong a prior for this image."
        )


def field_halo(stage: Deconvolver, field: KernelField) -> tuple[int, ...]:
    """Return the halo of a stage that suffices for every kernel of a field."""
    halos = [stage.halo(kernel) for row in field.kernels for kernel in row]
    return tuple(max(extents) for extents in zip(*halos, strict=True))


def window_halo(stage: Deconvolver, field: KernelField) -> tuple[int, ...]:
    """Return what a window with a kernel of its own sees of its neighbours.

    Not the stage's whole halo, which makes tiles agree to the last digit where kernels are the
    same: they are not the same here, and two kernels' width keeps the border's errors out.
    """
    kernel = field.kernels[0][0]
    pairs = zip(field_halo(stage, field), kernel.shape, strict=True)
    return tuple(min(own, WINDOW_HALO * n) for own, n in pairs)


def _accept(chain: Chain, stage: Stage, made: Tensor) -> None:
    """Take a step's result over, checked: of the right shape, finite, not empty."""
    before = chain.image
    if made.shape != before.shape:
        raise UsageError(
            f"{stage.kind} '{stage.name}' must keep the shape {tuple(before.shape)}, "
            f"but returned {tuple(made.shape)}; this is a fault of the plugin."
        )
    made = made.detach().to(torch.float32)
    broken = ~torch.isfinite(made)
    count = int(broken.sum())
    if count:
        chain.warnings.append(
            f"{stage.kind} '{stage.name}' made {count} of {made.numel()} values NaN or infinite; "
            "they keep what they were before it."
        )
        made = torch.where(broken, before, made)
    if not bool(made.any()) and bool(before.any()):
        chain.warnings.append(f"{stage.kind} '{stage.name}' returned nothing but zeros.")
    chain.image = made
