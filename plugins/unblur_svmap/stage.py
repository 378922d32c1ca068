"""The deconvolver `svmap`: a learned spatially-variant MAP model as a stage."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Literal, Self

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from unblur.accel.malloc import no_malloc_trim
from unblur.model import stages
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.numerics.clipping import split_mask
from unblur.numerics.colour import merge_luma, split_luma
from unblur.numerics.noise import estimate_noise
from unblur_svmap.model import (
    RESTARTS,
    START_ITERATIONS,
    Data,
    Design,
    Regulariser,
    SpatiallyVariantMap,
)
from unblur_svmap.networks import LAYERS
from unblur_svmap.solver_trace import Course
from unblur_svmap.weights import load_model, turns_of

UNCLIPPED, CLIPPED = "gaussian", "saturated"
"""The weights that `auto` takes, without and with lights that the sensor clipped."""
PHOTOGRAPHIC = 0.1
"""Contrast below which an image is brightened for the networks, which know photographs."""
LOUD = 0.02
"""Noise up to which it is brightened: what is faint and noisy is better left as it is."""
MIDDLE = 0.5
"""Mean up to which it is brightened; a lighter image keeps its mean and gains contrast alone."""


class Svmap(stages.Deconvolver):
    """Deconvolution with a data term and a regulariser that networks choose for every pixel.

    The image is the minimiser over the scene `x` of::

        sum_p sum_i |F_i,p (y - k * x)|^2 + sum_p sum_j |G_j,p x|^2

    with 3 filters F of 5 x 5 pixels at every observed pixel p and 5 filters G at every pixel
    of the scene. Two or three times over, as the weights ask for, two networks look at the
    estimate so far and predict F and G, and 10 conjugate-gradient steps reduce the sum; the first
    estimate is the l2 solution under a Gaussian prior. It assumes a kernel that is nearly right,
    noise of the stated strength, and a scene like the photographs that the networks learned from.

    Parameters
    ----------
    params : Params or mapping, optional
        See `Svmap.Params`.

    Notes
    -----
    One set of weights, `gaussian`, serves noise from 0.3 to 6 percent: the networks see the
    noise level. Pixels that the sensor clipped (masked, and at `Context.saturation_level`) are a
    lower bound on the blurred scene: they count while the estimate, blurred, is darker.
    The weights `saturated`, trained further on such images, are taken for them. Where the kernel
    is far from right, the weights `tolerant` do better: trained with kernels that are somewhat
    wrong, they trust the data less where such an error shows.

    The conjugate gradients are preconditioned by the nearest shift-invariant system, and the
    scene extends beyond the image by the kernel's reach, so that borders do not ring.

    Examples
    --------
    >>> import torch
    >>> from unblur.model.context import Context
    >>> from unblur.model.kernel import Kernel
    >>> blurred = torch.full((1, 24, 24), 0.5)
    >>> kernel = Kernel(torch.ones(5, 5).numpy())
    >>> Svmap(noise=0.01).deconvolve(blurred, kernel, Context()).shape
    torch.Size([1, 24, 24])

    References
    ----------
    J. Dong, S. Roth, B. Schiele, "Learning spatially-variant MAP models for non-blind image
    deblurring", CVPR 2021, Eqs. 7 to 12.
    """

    name = "svmap"
    summary = "Learned data term and regulariser for every pixel: best for photographs."
    cites = "Dong, Roth, Schiele, CVPR 2021"
    dimensions = frozenset({2})

    class Params(stages.Params):
        """Settings of `svmap`."""

        noise: Literal["auto"] | float = Field(
            default="auto",
            description="Standard deviation of the noise, white = 1, or auto to estimate it.",
        )
        model_error: float = Field(
            default=0.02,
            ge=0,
            le=1,
            description="What the kernel leaves unexplained, as a fraction of the image's "
            "contrast; adds to an estimated noise. 0 for a kernel known exactly.",
        )
        model: str = Field(
            default="auto",
            description="Weights: gaussian; saturated; tolerant, for kernels that are far from "
            "right; a .safetensors file that `unblur train svmap` wrote; or auto: saturated "
            "where the sensor clipped pixels, else gaussian.",
        )
        colour: Literal["channels", "luma"] = Field(
            default="channels",
            description="Deblur each channel, or luma alone and chroma by the Gaussian prior.",
        )
        iterations: int = Field(
            default=Design.iterations,
            ge=1,
            le=50,
            description="Conjugate-gradient steps per reweighting.",
        )
        data_term: Data = Field(
            default="learned", description="Learned, or the plain l2 norm (for comparison)."
        )
        regulariser: Regulariser = Field(
            default="learned", description="Learned, or hyper-Laplacian (for comparison)."
        )

    course: tuple[Kernel, Course] | None = None
    """Steps to take with a kernel, once settled."""

    def deconvolve(
        self, blurred: Tensor, kernel: Kernel, context: Context, mask: Tensor | None = None
    ) -> Tensor:
        """Return the sharp image; see `Deconvolver.deconvolve`."""
        luma_only = self.params.colour == "luma" and blurred.shape[0] == 3
        planes, chroma = split_luma(blurred) if luma_only else (blurred, blurred[:0])
        seen, clipped = split_mask(blurred, mask, context.saturation_level)
        if clipped is not None and luma_only:
            clipped = clipped.amax(0, keepdim=True)  # luma is as bright or brighter there, too
        model = self._model(blurred, context)
        first = START_ITERATIONS * (1 if clipped is None else 1 + RESTARTS)
        full = first + self.params.iterations * model.design.steps
        tick = context.ticker(self.name, full * len(planes) + START_ITERATIONS * len(chroma))
        context.checkpoint()
        noise = self._noise(blurred, context, mask)
        tone = self._tone(blurred, noise, context)
        run = _Run(model, kernel, noise, tone, self._course_of(kernel), tick)
        ceilings = [None] * len(planes) if clipped is None else clipped
        sharp = [run(plane, seen, at) for plane, at in zip(planes, ceilings, strict=True)]
        if not luma_only:
            return torch.stack(sharp)
        colours = [run(plane, mask, None, steps=0) for plane in chroma]
        return merge_luma(torch.stack(sharp), torch.stack(colours))

    def calibrate(
        self, blurred: Tensor, kernel: Kernel, context: Context, mask: Tensor | None = None
    ) -> Self:
        """Return the stage with the steps that the mean of the channels takes; see `Deconvolver`.

        Tiles that decided by their own sums how far to go would differ from their neighbours.
        """
        alone = copy.copy(self)
        course = Course(recording=True)
        alone.course = (kernel, course)
        alone.deconvolve(blurred.mean(0, keepdim=True), kernel, context, mask)
        alone.course = (kernel, course.fixed())
        return alone

    def halo(self, kernel: Kernel) -> tuple[int, ...]:
        """Return how far a pixel's result looks; see `Deconvolver.halo`."""
        own = 2 * LAYERS * self._turns() + 16
        return tuple(own + 3 * reach for reach in kernel.half_width)

    def _noise(self, blurred: Tensor, context: Context, mask: Tensor | None) -> float:
        if self.params.noise != "auto":
            return float(self.params.noise)
        noise = context.noise if context.noise is not None else estimate_noise(blurred, mask)
        return math.hypot(noise, self.params.model_error * self._contrast(blurred, context))

    def _contrast(self, blurred: Tensor, context: Context) -> float:
        return context.contrast if context.contrast is not None else float(blurred.std())

    def _tone(self, blurred: Tensor, noise: float, context: Context) -> _Tone:
        contrast = self._contrast(blurred, context)
        if contrast <= 0:
            return _Tone()
        audible = LOUD / noise if noise > 0 else math.inf
        gain = max(1.0, min(PHOTOGRAPHIC / contrast, audible))
        mean = context.brightness if context.brightness is not None else float(blurred.mean())
        return _Tone(gain, min(0.0, max(mean, MIDDLE) - gain * mean))

    def _course_of(self, kernel: Kernel) -> Course | None:
        """Return the steps that were settled for this kernel; others are taken freely."""
        if self.course is None or not np.array_equal(self.course[0].weights, kernel.weights):
            return None
        return self.course[1]

    def _model(self, blurred: Tensor, context: Context) -> SpatiallyVariantMap:
        p = self.params
        design = Design(p.data_term, p.regulariser, iterations=p.iterations)
        return load_model(self._model_name(context), design).to(blurred.device)

    def _model_name(self, context: Context) -> str:
        if self.params.model != "auto":
            return str(self.params.model)
        return UNCLIPPED if context.saturation_level is None else CLIPPED

    def _turns(self) -> int:
        """Return how often the networks look at the estimate, at most."""
        names = (UNCLIPPED, CLIPPED) if self.params.model == "auto" else (self.params.model,)
        return max(turns_of(name) for name in names)


@dataclass(frozen=True)
class _Tone:
    """What makes a dim or flat image one of those that the networks know, and its inverse."""

    gain: float = 1.0
    offset: float = 0.0

    def apply(self, image: Tensor) -> Tensor:
        return self.gain * image + self.offset

    def undo(self, image: Tensor) -> Tensor:
        return (image - self.offset) / self.gain


@dataclass(frozen=True)
class _Run:
    """A model with what it is told about one image; deconvolves its planes."""

    model: SpatiallyVariantMap
    kernel: Kernel
    noise: float
    tone: _Tone
    course: Course | None
    tick: Callable[..., None]

    def __call__(
        self, plane: Tensor, mask: Tensor | None, clipped: Tensor | None, steps: int | None = None
    ) -> Tensor:
        """Return a plane (H, W) after `steps` reweightings, all of them by default."""
        found = self.model.estimates(
            self.tone.apply(plane[None, None]),
            self.kernel.tensor(dtype=plane.dtype, device=plane.device),
            torch.full((1, 1, 1, 1), self.noise * self.tone.gain, device=plane.device),
            mask,
            None if clipped is None else clipped[None, None],
            self.tick,
            self.course,
        )
        count = self.model.design.steps if steps is None else steps
        with torch.no_grad(), no_malloc_trim():
            return self.tone.undo(next(islice(found, count, None))[0, 0])
