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
from unblur.accel.parallel import one_thread_if_small
from unblur.errors import ImageError
from unblur.model import stages
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.numerics.boundaries import split_mask
from unblur.numerics.colour import merge_luma, split_luma
from unblur.numerics.noise import estimate_noise
from unblur.numerics.tone_mapping import ToneMapping
from unblur_svmap.model import (
    INITIAL_ITERATIONS,
    RESTARTS,
    DataTerm,
    ModelDesign,
    Regulariser,
    SpatiallyVariantMap,
)
from unblur_svmap.networks import LAYERS
from unblur_svmap.solver_trace import SolverTrace
from unblur_svmap.weights import load_model, reweightings_of

MIN_SIDE = 2
"""Smallest number of rows and of columns of an image, dimensionless: half the width of a filter."""

UNCLIPPED_MODEL, CLIPPED_MODEL = "gaussian", "saturated"
"""Names of the weights that `auto` selects, without and with pixels clipped by the sensor."""


class Svmap(stages.Deconvolver):
    """Deconvolution with a data term and a regulariser predicted by networks for every pixel.

    The image is the minimiser over the scene `x` of::

        sum_p sum_i |F_i,p (y - k * x)|^2 + sum_p sum_j |G_j,p x|^2

    with 3 filters F of 5 x 5 pixels at every observed pixel p and 5 filters G at every pixel
    of the scene (Dong Eq. 12). In each of two or three reweightings, a number fixed by the
    weights, two networks predict F and G from the current estimate, and 10 conjugate-gradient
    steps reduce the sum; the first estimate is the l2 solution under a Gaussian prior. The method
    assumes a nearly exact kernel, noise of the stated level, and a scene like the photographs
    that the networks were trained on.

    Parameters
    ----------
    params : Params or mapping, optional
        See `Svmap.Params`.

    Notes
    -----
    One set of weights, `gaussian`, serves noise from 0.3 to 6 percent: the noise level is an
    input of the networks. Pixels that the sensor clipped (masked, and at
    `Context.saturation_level`) are a lower bound on the blurred scene: they count while the
    estimate, blurred, is darker. The weights `saturated`, trained further on such images, are
    used for them. Where the kernel has large errors, the weights `tolerant` do better: trained
    with perturbed kernels, they give the data a smaller weight where such an error appears in
    the residual.

    The conjugate gradients are preconditioned by the nearest shift-invariant system, and the
    scene extends beyond the image by the kernel's half width, so that borders do not ring.

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
    deblurring", CVPR 2021: Dong Eqs. 7 to 12.
    """

    name = "svmap"
    summary = "Learned data term and regulariser for every pixel: best for photographs."
    cites = "Dong, Roth, Schiele, CVPR 2021"
    dimensions = frozenset({2})
    bounds_saturated = True

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
            description="Error of the blur model, as a fraction of the image's contrast; added in "
            "quadrature to an estimated noise. 0 for an exact kernel.",
        )
        model: str = Field(
            default="auto",
            description="Weights: gaussian; saturated; tolerant, for kernels with large errors; "
            "a .safetensors file that `unblur train svmap` wrote; or auto: saturated "
            "where the sensor clipped pixels, else gaussian.",
        )
        colour: Literal["channels", "luma"] = Field(
            default="channels",
            description="Deblur each channel, or luma calibrated and chroma by the Gaussian prior.",
        )
        iterations: int = Field(
            default=ModelDesign.iterations,
            ge=1,
            le=50,
            description="Conjugate-gradient steps per reweighting.",
        )
        data_term: DataTerm = Field(
            default="learned", description="Learned, or the plain l2 norm (for comparison)."
        )
        regulariser: Regulariser = Field(
            default="learned", description="Learned, or hyper-Laplacian (for comparison)."
        )

    trace: tuple[Kernel, SolverTrace] | None = None
    """Kernel and recorded quantities of its solve, after `calibrate`."""

    @property
    def couples_channels(self) -> bool:
        """Whether luma and chroma are deblurred, which all three colours are needed for."""
        return bool(self.params.colour == "luma")

    def deconvolve(
        self, blurred: Tensor, kernel: Kernel, context: Context, mask: Tensor | None = None
    ) -> Tensor:
        """Return the sharp image; see `Deconvolver.deconvolve`."""
        if min(blurred.shape[-2:]) < MIN_SIDE:
            raise ImageError(
                f"deconvolve '{self.name}' takes {MIN_SIDE} rows and columns or more, got "
                f"{tuple(blurred.shape[-2:])}; use hyper-laplacian."
            )
        luma_only = self.params.colour == "luma" and blurred.shape[0] == 3
        planes, chroma = split_luma(blurred) if luma_only else (blurred, blurred[:0])
        valid, clipped = split_mask(blurred, mask, context.saturation_level)
        if clipped is not None and luma_only:
            clipped = clipped.amax(0, keepdim=True)  # a lower bound on luma, too
        model = self._model(blurred, context)
        first = INITIAL_ITERATIONS * (1 if clipped is None else 1 + RESTARTS)
        full = first + self.params.iterations * model.design.steps
        tick = context.ticker(self.name, full * len(planes) + INITIAL_ITERATIONS * len(chroma))
        context.checkpoint()
        noise = self._noise(blurred, context, mask)
        tone_mapping = self._tone_mapping(blurred, noise, context)
        run = _Run(model, kernel, noise, tone_mapping, self._trace_for(kernel), tick)
        clipped_planes = [None] * len(planes) if clipped is None else clipped
        pairs = list(zip(planes, clipped_planes, strict=True))
        with one_thread_if_small(blurred[0].numel()):
            sharp = [run(plane, valid, at) for plane, at in pairs]
            colours = [run(plane, mask, None, steps=0) for plane in chroma]
        if not luma_only:
            return torch.stack(sharp)
        return merge_luma(torch.stack(sharp), torch.stack(colours))

    def calibrate(
        self, blurred: Tensor, kernel: Kernel, context: Context, mask: Tensor | None = None
    ) -> Self:
        """Return the stage with the trace of the channels' mean; see `Deconvolver.calibrate`.

        Step lengths computed on single tiles would differ between neighbours.
        """
        calibrated = copy.copy(self)
        trace = SolverTrace(recording=True)
        calibrated.trace = (kernel, trace)
        calibrated.deconvolve(blurred.mean(0, keepdim=True), kernel, context, mask)
        calibrated.trace = (kernel, trace.fixed())
        return calibrated

    def halo(self, kernel: Kernel) -> tuple[int, ...]:
        """Return the distance at which pixels affect a result; see `Deconvolver.halo`."""
        own = 2 * LAYERS * self._reweightings() + 16
        return tuple(own + 3 * half for half in kernel.half_width)

    def _noise(self, blurred: Tensor, context: Context, mask: Tensor | None) -> float:
        if self.params.noise != "auto":
            return float(self.params.noise)
        noise = context.noise if context.noise is not None else estimate_noise(blurred, mask)
        return math.hypot(noise, self.params.model_error * self._contrast(blurred, context))

    def _contrast(self, blurred: Tensor, context: Context) -> float:
        return context.contrast if context.contrast is not None else float(blurred.std())

    def _tone_mapping(self, blurred: Tensor, noise: float, context: Context) -> ToneMapping:
        mean = context.brightness if context.brightness is not None else float(blurred.mean())
        return ToneMapping.of(self._contrast(blurred, context), mean, noise)

    def _trace_for(self, kernel: Kernel) -> SolverTrace | None:
        """Return the trace recorded with this kernel, or None."""
        if self.trace is None or not np.array_equal(self.trace[0].weights, kernel.weights):
            return None
        return self.trace[1]

    def _model(self, blurred: Tensor, context: Context) -> SpatiallyVariantMap:
        p = self.params
        design = ModelDesign(p.data_term, p.regulariser, iterations=p.iterations)
        return load_model(self._model_name(context), design).to(blurred.device)

    def _model_name(self, context: Context) -> str:
        if self.params.model != "auto":
            return str(self.params.model)
        return UNCLIPPED_MODEL if context.saturation_level is None else CLIPPED_MODEL

    def _reweightings(self) -> int:
        """Return the largest number of reweightings of the weights that may be used."""
        names = (
            (UNCLIPPED_MODEL, CLIPPED_MODEL)
            if self.params.model == "auto"
            else (self.params.model,)
        )
        return max(reweightings_of(name) for name in names)


@dataclass(frozen=True)
class _Run:
    """A model with kernel, noise and tone mapping of one image; deconvolves its planes."""

    model: SpatiallyVariantMap
    kernel: Kernel
    noise: float
    tone_mapping: ToneMapping
    trace: SolverTrace | None
    tick: Callable[..., None]

    def __call__(
        self, plane: Tensor, mask: Tensor | None, clipped: Tensor | None, steps: int | None = None
    ) -> Tensor:
        """Return a plane (H, W) after `steps` reweightings, all of them by default."""
        found = self.model.estimates(
            self.tone_mapping.apply(plane[None, None]),
            self.kernel.tensor(dtype=plane.dtype, device=plane.device),
            torch.full((1, 1, 1, 1), self.noise * self.tone_mapping.gain, device=plane.device),
            mask,
            None if clipped is None else clipped[None, None],
            self.tick,
            self.trace,
        )
        count = self.model.design.steps if steps is None else steps
        with torch.no_grad(), no_malloc_trim():
            return self.tone_mapping.undo(next(islice(found, count, None))[0, 0])
