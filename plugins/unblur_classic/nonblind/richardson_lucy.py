"""Richardson-Lucy deconvolution, which never goes negative and keeps the flux."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from unblur.accel.malloc import retained_memory
from unblur.model import stages
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.numerics.boundaries import fill_and_extend
from unblur.numerics.operators import Blur, gradient, gradient_adjoint
from unblur_classic.nonblind.regularization import contrast
from unblur_classic.nonblind.rl_iteration import TINY, LucyStep
from unblur_classic.nonblind.stopping import Stop, Stopper

FLAT = 0.02
"""Gradient, as a fraction of the image's contrast, below which TV's pull fades: noise of rounding
has no direction."""


class RichardsonLucy(stages.Deconvolver):
    """The most likely non-negative scene under Poisson noise, approached step by step.

    Each step multiplies the scene `x` by what the image `y` says it should have been::

        x <- x K'(y / (K x + background)) / (K' 1) / (1 - tv div(grad x / |grad x|))

    where `K` blurs the scene and cuts it at the border and the mask, and `K'` is its adjoint.
    It assumes counted photons. Detail sharpens from step to step, and noise with it: the number
    of steps is the regularisation, and what to stop at is the one choice to make.

    Parameters
    ----------
    params : Params or mapping, optional
        See `RichardsonLucy.Params`.

    Notes
    -----
    A scene pixel outside the image is changed as far as its light reaches the image, so that
    nothing is assumed about what lies there. The total of `K x` equals that of `y` after every
    step without `tv` and background.

    The halo follows how far a step's influence spreads, which is a random walk: 5.5 times the
    kernel's spread times the root of twice the number of steps, and never more than the exact
    bound of two kernel reaches a step.

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
    Borders: M. Bertero, P. Boccacci, "A simple method for the reduction of boundary effects in
    the Richardson-Lucy approach to image deconvolution", Astron. Astrophys. 437, 2005.
    """

    name = "richardson-lucy"
    summary = "Richardson-Lucy: non-negative, keeps flux, 2-D or 3-D, optional TV."
    cites = "W. H. Richardson, JOSA 62(1), 1972; L. B. Lucy, Astron. J. 79, 1974"
    dimensions = frozenset({2, 3})
    tolerance = 1e-3  # with tv; tiles agree to 1e-5 without

    class Params(stages.Params):
        """Settings of Richardson-Lucy."""

        iterations: int = Field(
            30, ge=1, le=10000, description="Steps; with another stop than fixed, at the most."
        )
        stop: Stop = Field(
            "fixed",
            description="When to stop: fixed after all steps; discrepancy once the residual is "
            "as small as the noise; consensus once two halves of the data pull apart.",
        )
        tv: float = Field(
            0.0, ge=0, lt=0.2, description="Weight of total variation; 0.002 is mild."
        )
        accelerate: bool = Field(
            False,
            description="Carry each step on along the last one: as sharp, and as noisy, after a "
            "third of the steps.",
        )
        background: Annotated[float, Field(ge=0, lt=1)] | Literal["auto"] = Field(
            0.0,
            description="Even light under the scene, white = 1: a sky, a camera's offset. It stays "
            "in the result, and nothing gets darker than it: no dark rings around stars. auto "
            "takes the level that one pixel in a hundred lies below.",
        )

    def deconvolve(
        self, blurred: Tensor, kernel: Kernel, context: Context, mask: Tensor | None = None
    ) -> Tensor:
        """Return the sharp image of the same shape as `blurred`; see `Deconvolver`."""
        context.checkpoint()
        background = self._background(blurred, mask)
        scene, blur = self._iterate(blurred, kernel, context, mask, background)[:2]
        return blur.crop(scene) + background

    def settled(
        self, blurred: Tensor, kernel: Kernel, context: Context, mask: Tensor | None = None
    ) -> Self:
        """Return the stage with the steps and the background that this image asks for."""
        found: dict[str, Any] = {"background": self._background(blurred, mask)}
        if self.params.stop != "fixed":
            steps = self._iterate(blurred, kernel, context, mask, found["background"])[2]
            found |= {"iterations": steps, "stop": "fixed"}
        return type(self)(self.params.model_copy(update=found))

    def halo(self, kernel: Kernel) -> tuple[int, ...]:
        """Return 5.5 standard deviations of the walk of influence; see the Notes."""
        steps = self.params.iterations
        exact = [2 * steps * reach for reach in kernel.reach]
        walk = [5.5 * (2 * steps) ** 0.5 * spread for spread in spreads(kernel)]
        return tuple(
            min(bound, int(far) + 2 * reach)
            for bound, far, reach in zip(exact, walk, kernel.reach, strict=True)
        )

    def _background(self, blurred: Tensor, mask: Tensor | None) -> float:
        """Return the background in use, one for all channels, so that colours stay."""
        if self.params.background != "auto":
            return self.params.background
        known = blurred if mask is None else blurred[:, mask > 0]
        return max(float(np.percentile(known.cpu(), 1)), 0.0) if known.numel() else 0.0

    def _iterate(
        self,
        blurred: Tensor,
        kernel: Kernel,
        context: Context,
        mask: Tensor | None,
        background: float,
    ) -> tuple[Tensor, Blur, int]:
        """Return the scene (C, *domain), the blur that it belongs to, and the steps taken."""
        blur = Blur(kernel.tensor(device=blurred.device), blurred.shape[1:], mask)
        data = blurred.clamp_min(0)
        stopper = Stopper.of(self.params.stop, blurred, context, mask)
        advance = LucyStep(blur, data, background)
        scene = advance.scene
        scene[:] = fill_and_extend(blur, (data - background).clamp_min(TINY))
        previous = scene.clone() if self.params.accelerate else scene
        if self.params.tv:
            flat = FLAT * contrast(blurred, context, mask).reshape([-1] + [1] * blur.ndim) + TINY
        tick = context.ticker(self.name, self.params.iterations)
        with retained_memory():
            for step in range(self.params.iterations):
                if self.params.accelerate:
                    carry(scene, previous, max(step - 1, 0) / (step + 2))
                if step and stopper.is_reached(blur, scene, background):
                    return scene, blur, step
                if self.params.tv:
                    divisor = tv_divisor(scene, self.params.tv, flat)
                    advance()
                    scene.div_(divisor)
                else:
                    advance()
                tick()
        return scene, blur, self.params.iterations


def carry(scene: Tensor, previous: Tensor, weight: float) -> None:
    """Carry a scene on along its last step, in place, and make `previous` what it was.

    The weights are those of Wang & Miller, known beforehand.
    """
    before = scene.clone()
    torch.lerp(previous, before, 1 + weight, out=scene).clamp_min_(0)
    previous.copy_(before)


def tv_divisor(scene: Tensor, weight: float, flat: float | Tensor = TINY) -> Tensor:
    """Return `1 - weight div(grad x / |grad x|)` of a scene (C, *domain), above 0.5.

    `flat` is the length, (C, 1, ...) or one for all, below which a gradient counts for less.
    """
    ndim = scene.ndim - 1
    slopes = gradient(scene, ndim)
    length = slopes.square().sum(0).add_(flat**2).sqrt_()
    return (1 + weight * gradient_adjoint(slopes / length, ndim)).clamp_min_(0.5)


def spreads(kernel: Kernel) -> list[float]:
    """Return the kernel's standard deviation along each axis, in pixels."""
    weights = kernel.weights.astype(np.float64)
    result = []
    for axis, n in enumerate(weights.shape):
        profile = weights.sum(tuple(a for a in range(weights.ndim) if a != axis))
        offset = np.arange(n) - n // 2
        result.append(float(np.sqrt((profile * offset**2).sum())))
    return result
