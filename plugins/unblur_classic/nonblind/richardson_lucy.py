"""Richardson-Lucy deconvolution: non-negative and flux-conserving."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from unblur.accel.malloc import no_malloc_trim
from unblur.model import stages
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.numerics.boundaries import fill_and_extend
from unblur.numerics.operators import Blur, gradient, gradient_adjoint
from unblur_classic.nonblind.regularization import measure_contrast
from unblur_classic.nonblind.rl_consensus import GradientConsensus
from unblur_classic.nonblind.rl_iteration import MIN_PREDICTION, RichardsonLucyIteration
from unblur_classic.nonblind.stopping import Stop, StoppingRule

TV_SMOOTHING = 0.02
"""Length of a gradient below which total variation is smoothed, as a fraction of the contrast; the
direction of rounding errors is arbitrary."""


class RichardsonLucy(stages.Deconvolver):
    """The maximum-likelihood non-negative scene under Poisson noise, by multiplicative updates.

    Each iteration multiplies the scene `x` by the back-projected quotient of the image `y` and its
    prediction::

        x <- x K'(y / (K x + background)) / (K' 1) / (1 - tv div(grad x / |grad x|))

    where `K` blurs the scene and restricts it to the valid pixels, and `K'` is its adjoint. It
    assumes counted photons. Both detail and noise increase with the iterations: their number is
    the regularisation.

    Parameters
    ----------
    params : Params or mapping, optional
        See `RichardsonLucy.Params`.

    Notes
    -----
    A scene pixel outside the image is updated in proportion to its flux inside the image, so that
    nothing is assumed about the scene there. The sum of `K x` equals that of `y` after every
    iteration without `tv` and background.

    The halo is derived from the spread of a pixel's influence, which is a random walk: 5.5 times
    the kernel's standard deviation times the root of the number of convolutions, two per
    iteration, and at most the exact bound of a kernel half-width per convolution.

    Examples
    --------
    >>> import torch
    >>> from unblur.model.context import Context
    >>> from unblur.model.kernel import Kernel
    >>> blurred = torch.zeros(1, 16, 16)
    >>> blurred[:, 7:10, 7:10] = 1 / 9
    >>> stage = RichardsonLucy(iterations=50)
    >>> sharp = stage.deconvolve(blurred, Kernel(torch.ones(3, 3)), Context())
    >>> bool(sharp[0, 8, 8] > 0.9), round(float(sharp.sum()), 3)
    (True, 1.0)

    References
    ----------
    W. H. Richardson, "Bayesian-based iterative method of image restoration", JOSA 62(1), 1972.
    L. B. Lucy, "An iterative technique for the rectification of observed distributions",
    Astron. J. 79, 1974. TV: N. Dey et al., "Richardson-Lucy algorithm with total variation
    regularization for 3D confocal microscope deconvolution", Microsc. Res. Tech. 69, 2006.
    Acceleration: H. Wang, P. C. Miller, "Scaled heavy-ball acceleration of the Richardson-Lucy
    algorithm for 3D microscopy image restoration", IEEE TIP 23(2), 2014.
    Consensus: see `unblur_classic.nonblind.rl_consensus`.
    Borders: M. Bertero, P. Boccacci, "A simple method for the reduction of boundary effects in
    the Richardson-Lucy approach to image deconvolution", Astron. Astrophys. 437, 2005.
    """

    name = "richardson-lucy"
    summary = "Richardson-Lucy: non-negative, conserves flux, 2-D or 3-D, optional TV."
    cites = "W. H. Richardson, JOSA 62(1), 1972; L. B. Lucy, Astron. J. 79, 1974"
    dimensions = frozenset({2, 3})
    tolerance = 1e-3  # with tv; tiles agree to 1e-5 without
    keeps_light = True

    class Params(stages.Params):
        """Settings of Richardson-Lucy."""

        iterations: int = Field(
            30, ge=1, le=10000, description="Iterations; the largest number unless stop is fixed."
        )
        stop: Stop = Field(
            "fixed",
            description="When to stop: fixed, after all iterations; discrepancy, once the residual "
            "is as small as the noise; gradient-consensus, once the gradients of two splits of the "
            "data disagree; local-gradient-consensus, after all iterations, each of which leaves "
            "those pixels as they are where the gradients of two halves of the pixels disagree: a "
            "sky without mottle.",
        )
        tv: float = Field(
            0.0, ge=0, lt=0.2, description="Weight of total variation; 0.002 is mild."
        )
        accelerate: bool = Field(
            False,
            description="Extrapolate along the last step: the same sharpness, and noise, after a "
            "third of the iterations.",
        )
        background: Annotated[float, Field(ge=0, lt=1)] | Literal["auto"] = Field(
            0.0,
            description="Constant background, white = 1: of the sky or the camera's offset. It is "
            "kept in the result, as its lower bound: no dark rings around stars. auto is the first "
            "percentile.",
        )

    def deconvolve(
        self, blurred: Tensor, kernel: Kernel, context: Context, mask: Tensor | None = None
    ) -> Tensor:
        """Return the sharp image of the same shape as `blurred`; see `Deconvolver`."""
        context.checkpoint()
        background = self._background(blurred, mask)
        scene, blur = self._iterate(blurred, kernel, context, mask, background)[:2]
        return blur.crop(scene) + background

    def calibrate(
        self, blurred: Tensor, kernel: Kernel, context: Context, mask: Tensor | None = None
    ) -> Self:
        """Return a copy with the number of iterations and the background found on this image."""
        found: dict[str, Any] = {"background": self._background(blurred, mask)}
        if self.params.stop in ("discrepancy", "gradient-consensus"):
            steps = self._iterate(blurred, kernel, context, mask, found["background"])[2]
            found |= {"iterations": steps, "stop": "fixed"}
        return type(self)(self.params.model_copy(update=found))

    def halo(self, kernel: Kernel) -> tuple[int, ...]:
        """Return 5.5 standard deviations of a pixel's influence; see the Notes."""
        # Convolutions in all iterations: the consensus of gradients takes a third one in each.
        count = self.params.iterations * (3 if self._is_local else 2)
        exact = [count * reach for reach in kernel.half_width]
        walk = [5.5 * count**0.5 * std for std in kernel_std(kernel)]
        return tuple(
            min(bound, int(distance) + 2 * reach)
            for bound, distance, reach in zip(exact, walk, kernel.half_width, strict=True)
        )

    @property
    def _is_local(self) -> bool:
        """Whether each iteration leaves the pixels without consensus as they are."""
        return bool(self.params.stop == "local-gradient-consensus")

    def _background(self, blurred: Tensor, mask: Tensor | None) -> float:
        """Return one background for all channels, which preserves colours."""
        if self.params.background != "auto":
            return self.params.background
        valid = blurred if mask is None else blurred[:, mask > 0]
        return max(float(np.percentile(valid.cpu(), 1)), 0.0) if valid.numel() else 0.0

    def _iterate(
        self,
        blurred: Tensor,
        kernel: Kernel,
        context: Context,
        mask: Tensor | None,
        background: float,
    ) -> tuple[Tensor, Blur, int]:
        """Return the scene (C, *domain), its blur operator, and the number of iterations."""
        blur = Blur(kernel.tensor(device=blurred.device), blurred.shape[1:], mask)
        data = blurred.clamp_min(0)
        stopping_rule = StoppingRule.of(self.params.stop, blurred, context, mask)
        consensus = GradientConsensus(blur) if self._is_local else None
        iterate = RichardsonLucyIteration(blur, data, background, consensus)
        scene = iterate.scene
        scene[:] = fill_and_extend(blur, (data - background).clamp_min(MIN_PREDICTION))
        previous = scene.clone() if self.params.accelerate else scene
        if self.params.tv:
            smoothing = (
                TV_SMOOTHING
                * measure_contrast(blurred, context, mask).reshape([-1] + [1] * blur.ndim)
                + MIN_PREDICTION
            )
        tick = context.ticker(self.name, self.params.iterations)
        with no_malloc_trim():
            for step in range(self.params.iterations):
                if self.params.accelerate:
                    extrapolate(scene, previous, max(step - 1, 0) / (step + 2))
                if step and stopping_rule.is_reached(blur, scene, background):
                    return scene, blur, step
                if self.params.tv:
                    divisor = tv_divisor(scene, self.params.tv, smoothing)
                    iterate()
                    scene.div_(divisor)
                else:
                    iterate()
                tick()
        return scene, blur, self.params.iterations


def extrapolate(scene: Tensor, previous: Tensor, weight: float) -> None:
    """Extrapolate a scene along its last step in place, and copy the input scene to `previous`.

    The momentum weights are those of Wang & Miller, which are fixed in advance.
    """
    before = scene.clone()
    torch.lerp(previous, before, 1 + weight, out=scene).clamp_min_(0)
    previous.copy_(before)


def tv_divisor(scene: Tensor, weight: float, smoothing: float | Tensor = MIN_PREDICTION) -> Tensor:
    """Return `1 - weight div(grad x / |grad x|)` of a scene (C, *domain), above 0.5.

    `smoothing`, (C, 1, ...) or a number, is the length below which a gradient counts less.
    """
    ndim = scene.ndim - 1
    gradients = gradient(scene, ndim)
    length = gradients.square().sum(0).add_(smoothing**2).sqrt_()
    return (1 + weight * gradient_adjoint(gradients / length, ndim)).clamp_min_(0.5)


def kernel_std(kernel: Kernel) -> list[float]:
    """Return the standard deviation of the kernel along each axis, in pixels."""
    weights = kernel.weights.astype(np.float64)
    result = []
    for axis, n in enumerate(weights.shape):
        profile = weights.sum(tuple(a for a in range(weights.ndim) if a != axis))
        offset = np.arange(n) - n // 2
        result.append(float(np.sqrt((profile * offset**2).sum())))
    return result
