"""The deconvolver `plug-and-play`: half-quadratic splitting with trained steps or any priors."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import Tensor

from unblur.accel.malloc import no_malloc_trim
from unblur.accel.parallel import one_thread_if_small
from unblur.model import stages
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.model.params import PriorChoice
from unblur.numerics.boundaries import split_mask
from unblur.numerics.colour import merge_luma, split_luma
from unblur.numerics.inverse_filters import response_radius
from unblur.numerics.noise import estimate_noise
from unblur.numerics.operators import Blur
from unblur.numerics.tone_mapping import ToneMapping
from unblur.plugins.manager import registry
from unblur_denoiser.sigma_schedule import LAST, PENALTY, SigmaSchedule, make_schedule
from unblur_denoiser.splitting import PriorTerm, WienerStart, last_of, split
from unblur_denoiser.weights import load_splitting

HALO_WEIGHT = 2e-3
"""Weight of the squared gradient of the Wiener filter whose radius is part of the halo, relative
to the squared residual, dimensionless."""
HALO_OF_PRIOR = 48
"""Distance beyond which a pixel has next to no effect on a denoised one, in pixels."""

STEPS_WITH_PRIORS = 8
"""Number of steps with priors, a count."""
LOW_NOISE, STEPS_AT_LOW_NOISE, TRAINED_STEPS = 0.02, 10, 8
"""Noise up to which more trained steps are made, standard deviation for white = 1; number of
trained steps up to it and above it, counts. On the twelve validation crops of the training, in 6,
8, 10 and 12 steps: 29.23, 29.34, 29.41 and 29.44 dB with 1 % of noise, 25.42, 25.43, 25.41 and
25.38 dB with 5 %."""

MIXED = "hyper-laplacian"
"""Deconvolver whose image is mixed into the result by `hyper_laplacian_weight`."""

Auto = Annotated[float, Field(gt=0)] | Literal["auto"]


class PlugAndPlay(stages.Deconvolver):
    """Half-quadratic splitting in trained steps, or with any proximal maps as priors.

    Half-quadratic splitting of::

        |M (k * x) - y|^2 / (2 noise^2) + sum_j weight_j prior_j(x)

    where `M` keeps the valid pixels inside the border. Alternately, the image `x` is fitted to the
    data and to the priors' images, and each prior's image is the proximal point of `x`::

        x = argmin |k * x - y|^2 + penalty sum_j |x - u_j|^2
        u_j = proximal_j(x, weight_j sigma^2),     penalty = c noise^2 / sigma^2

    while `sigma` falls geometrically from the error of the first Wiener estimate to the noise.
    It assumes Gaussian noise of a known level and a scene like those of the prior.

    By default the steps are few and trained end to end on blurred photographs: one network, which
    is given `x` and the `u` of the step before, and factors of the penalties and of the noise
    levels of each step, interpolated from the six steps of the training. With `priors`, their
    proximal maps are used in steps by rule.

    Parameters
    ----------
    params : Params or mapping, optional
        See `PlugAndPlay.Params`.

    Notes
    -----
    The blurred scene beyond the border and under the mask is unknown. It is what the current
    estimate predicts, so that the division in Fourier space remains exact and the fixed points
    are those of the masked problem. Pixels that the sensor clipped are unknown too, with the
    recorded value as a lower bound.

    Each step presents the image to the network, or to the priors, rotated and mirrored in another
    way, which averages the directional errors of a network (Zhang et al., periodical geometric
    self-ensemble).

    An error of the kernel acts as noise that is not white, although `model_error` adds it as such.
    Its artefacts differ between deconvolvers and are weaker in a mean: `hyper_laplacian_weight`.

    Examples
    --------
    >>> import torch
    >>> from unblur.model.context import Context
    >>> from unblur.model.kernel import Kernel
    >>> blurred = torch.full((1, 24, 24), 0.5)
    >>> kernel = Kernel(torch.ones(5, 5).numpy())
    >>> PlugAndPlay(noise=0.01).deconvolve(blurred, kernel, Context()).shape
    torch.Size([1, 24, 24])

    References
    ----------
    K. Zhang et al., "Plug-and-play image restoration with deep denoiser prior", IEEE TPAMI
    44(10), 2022. D. Geman, C. Yang, "Nonlinear image recovery with half-quadratic
    regularization", IEEE TIP 4(7), 1995. Unknown borders: M. S. C. Almeida, M. A. T. Figueiredo,
    IEEE TIP 22(8), 2013.
    """

    name = "plug-and-play"
    summary = "Splitting in trained steps, or with any priors: for photographs."
    cites = "Zhang et al., TPAMI 2022"
    dimensions = frozenset({2})
    bounds_saturated = True

    class Params(stages.Params):
        """Settings of plug-and-play deconvolution."""

        noise: Auto = Field(
            default="auto",
            description="Standard deviation of the noise, white = 1, or auto to estimate it.",
        )
        model_error: float = Field(
            default=0.02,
            ge=0,
            le=1,
            description="Error of the blur model, as a fraction of the image's contrast; added in "
            "quadrature to the noise. 0 for an exact kernel.",
        )
        model: str = Field(
            default="tuned",
            description="Weights of the trained steps: tuned, or a .safetensors file that `unblur "
            "train plug-and-play` wrote. Without effect where priors are given.",
        )
        priors: tuple[PriorChoice, ...] = Field(
            default=(),
            description="Priors in place of the trained steps, such as denoiser; each is given "
            "the variance weight * sigma^2. first, last and penalty belong to them.",
        )
        steps: Annotated[int, Field(ge=1, le=100)] | Literal["auto"] = Field(
            default="auto",
            description="Steps of the half-quadratic splitting; auto is 8, and 10 for the trained "
            "steps where the noise is at most 2 % of white.",
        )
        first: Auto = Field(
            default="auto",
            description="Noise level of the priors in the first step, standard deviation for "
            "white = 1; auto is the expected error of the Wiener estimate.",
        )
        last: Auto = Field(
            default="auto",
            description="Noise level of the priors in the last step, in units of the noise; auto "
            "is 1.5.",
        )
        penalty: Auto = Field(
            default="auto",
            description="Penalty of the splitting in the last step, in units of noise^2 / sigma^2, "
            "and 1.7 times that in the first one; smaller fits the data more closely. Auto is "
            "0.15.",
        )
        hyper_laplacian_weight: float = Field(
            default=0.0,
            ge=0,
            le=1,
            description="Weight of the image by hyper-laplacian in the result, a weighted mean; "
            "0.6 for an estimated kernel, 0 for a known one.",
        )
        colour: Literal["channels", "luma"] = Field(
            default="channels",
            description="Deblur each channel with the priors, or luma, and chroma by the Wiener "
            "estimate.",
        )

        @model_validator(mode="after")
        def _check_steps(self) -> Self:
            given = [k for k in ("first", "last", "penalty") if getattr(self, k) != "auto"]
            if given and not self.priors:
                raise ValueError(
                    f"{given[0]} belongs to priors, and none are given; the trained steps have "
                    "their own (priors: [{prior: denoiser, weight: 1.0}])"
                )
            return self

    def deconvolve(
        self, blurred: Tensor, kernel: Kernel, context: Context, mask: Tensor | None = None
    ) -> Tensor:
        """Return the sharp image; see `Deconvolver.deconvolve`."""
        weight = self.params.hyper_laplacian_weight
        if not weight:
            return self._split(blurred, kernel, context, mask)
        shared = {"noise": self.params.noise, "model_error": self.params.model_error}
        mixed = registry().stage("deconvolve", MIXED)(shared)
        other = mixed.deconvolve(blurred, kernel, context, mask)
        return torch.lerp(self._split(blurred, kernel, context, mask), other, weight)

    def _split(
        self, blurred: Tensor, kernel: Kernel, context: Context, mask: Tensor | None
    ) -> Tensor:
        """Return the sharp image by half-quadratic splitting alone."""
        context.checkpoint()
        observed = blurred if mask is None else blurred[:, mask > 0]
        contrast = context.contrast if context.contrast is not None else float(observed.std())
        mean = context.brightness if context.brightness is not None else float(observed.mean())
        noise = self._noise(blurred, contrast, context, mask)
        tones = ToneMapping.of(contrast, mean, noise)
        device = str(blurred.device)
        trained = None if self.params.priors else load_splitting(self.params.model, device)
        plan = self._schedule(kernel, tones.gain * noise, tones.gain * contrast)
        valid, saturated = split_mask(blurred, mask, context.saturation_level)
        blur = Blur(kernel.tensor(device=blurred.device), blurred.shape[1:], valid)
        priors = [
            PriorTerm(registry().stage("prior", c.prior)(dict(c.params)), c.weight)  # type: ignore[arg-type]
            for c in self.params.priors
        ]
        luma_only = self.params.colour == "luma" and blurred.shape[0] == 3
        planes, chroma = split_luma(blurred) if luma_only else (blurred, blurred[:0])
        planes = tones.apply(planes)
        if saturated is not None and luma_only:
            saturated = saturated.amax(0, keepdim=True)
        tick = context.ticker(self.name, len(plan.sigmas))
        with torch.no_grad(), no_malloc_trim(), one_thread_if_small(planes[0].numel()):
            if trained is None:
                scene = split(blur, planes, plan, priors, saturated, context.origin, tick)
            else:
                found = trained.estimates(blur, planes, plan, saturated, context.origin)
                scene = last_of(found, tick)
            sharp = tones.undo(blur.crop(scene))
            if not luma_only:
                return sharp.contiguous()
            flat = WienerStart.of(blur, chroma, plan.wiener_weight).scene
            return merge_luma(sharp, blur.crop(flat)).contiguous()

    def halo(self, kernel: Kernel) -> tuple[int, ...]:
        """Return the radius of a Wiener filter plus that of the priors; see `Deconvolver.halo`.

        It is larger than that of `hyper-laplacian`.
        """
        return tuple(HALO_OF_PRIOR + n for n in response_radius(kernel, HALO_WEIGHT))

    def _noise(
        self, blurred: Tensor, contrast: float, context: Context, mask: Tensor | None
    ) -> float:
        if self.params.noise != "auto":
            noise = float(self.params.noise)
        else:
            noise = context.noise if context.noise is not None else estimate_noise(blurred, mask)
        return math.hypot(noise, self.params.model_error * contrast)

    def _schedule(self, kernel: Kernel, noise: float, contrast: float) -> SigmaSchedule:
        p = self.params
        steps = self._steps(noise) if p.steps == "auto" else int(p.steps)
        first = None if p.first == "auto" else float(p.first)
        last = LAST if p.last == "auto" else float(p.last)
        penalty = PENALTY if p.penalty == "auto" else float(p.penalty)
        return make_schedule(kernel, noise, contrast, steps, first, last, penalty)

    def _steps(self, noise: float) -> int:
        if self.params.priors:
            return STEPS_WITH_PRIORS
        return STEPS_AT_LOW_NOISE if noise <= LOW_NOISE else TRAINED_STEPS
