"""Richardson-Lucy deconvolution: non-negative and flux-conserving."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from torch import Tensor

from unblur.accel.parallel import one_thread_if_small
from unblur.model import stages
from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur_classic.nonblind.richardson_lucy.params import RichardsonLucyParams
from unblur_classic.nonblind.richardson_lucy.poisson.counts_model import CountsModel
from unblur_classic.nonblind.richardson_lucy.scene_estimation import (
    combined_step_helps,
    estimate_scene,
    fewest_steps,
)


class RichardsonLucy(stages.Deconvolver):
    """The maximum-likelihood non-negative scene under Poisson noise, by multiplicative updates.

    Each iteration multiplies the scene `x` by the back-projected quotient of the image `y` and its
    prediction::

        x <- x K'(y / (K x + background)) / (K' 1) / (1 - tv div(grad x / |grad x|))

    where `K` blurs the scene and restricts it to the valid pixels, and `K'` is its adjoint. It
    assumes counted photons. Both detail and noise increase with the iterations: their number is
    the regularisation. By default a third or less of that number of larger steps replaces them,
    with the same sharpness and noise (`accelerate`).

    Parameters
    ----------
    params : Params or mapping, optional
        See `RichardsonLucy.Params`.

    Notes
    -----
    A scene pixel outside the image is updated in proportion to its flux inside the image, so that
    nothing is assumed about the scene there. The sum of `K x` equals that of `y` after every
    plain iteration without `tv` and background; the last step is always a plain one.

    Accelerated steps are the same at every image, so that tiles agree. One after which the
    likelihood is lower is taken back, and plain iterations follow (not with `tv`, whose iterations
    need not raise the likelihood).

    Of volumes with a compact kernel, such as a Gaussian, a step does what up to eight iterations
    do: the quotient is back-projected by one kernel for all of them and added to the logarithm of
    the scene. If the likelihood is lower after such a step, it is taken back, and accelerated ones
    follow: so it is of scenes of isolated points and edges. Of an image in tiles this is decided
    once, on the part with the most texture. Next to the border of a stack with little noise the
    error is larger than that of plain iterations, by less than 7 % over the 20 x 26 x 24 voxels of
    `tests/plugins/test_richardson_lucy_steps.py`. Not with `tv`, `min_significance`, or local
    consensus.

    Read noise of variance `r` electrons is as that of `r` more photons: with a gain of `g`,
    `r / g` is added to both image and background. Pixels below the background then count as they
    are down to that amount, where values below 0 would be set to 0. Gain and read noise may be
    maps, of which a pixel with fewer photons for its value counts less.

    With `min_significance` the scene is changed only where a point source would exceed the noise
    by so many standard deviations; it is dark elsewhere. What exceeds the background is
    deconvolved as the sum of the scene and of a pedestal as low as the noise, which is the scene's
    lower bound, as by Fessler and Hero: without it, scene pixels darker than the background hardly
    change in an iteration. The residual is added to the result as far as the light of a pixel is
    below the noise, so that a sky keeps its noise, unsharpened.

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
    Acceleration: see `step_sizes` beside this file; of the logarithm of the scene: D. S. C. Biggs,
    M. Andrews, "Acceleration of iterative image restoration algorithms", Appl. Opt. 36, 1997.
    Combined steps and preview: see `back_projectors`.
    Read noise: D. L. Snyder, A. M. Hammoud, R. L. White, "Image recovery from data acquired with a
    charge-coupled-device camera", JOSA A 10(5), 1993.
    Pedestal: J. A. Fessler, A. O. Hero, "Penalized maximum-likelihood image reconstruction using
    space-alternating generalized EM algorithms", IEEE TIP 4(10), 1995. Significance: see
    `poisson.significance`.
    Consensus: see `gradient_consensus`.
    Borders: M. Bertero, P. Boccacci, "A simple method for the reduction of boundary effects in
    the Richardson-Lucy approach to image deconvolution", Astron. Astrophys. 437, 2005.
    """

    name = "richardson-lucy"
    summary = "Richardson-Lucy: non-negative, conserves flux, 2-D or 3-D, optional TV."
    cites = "W. H. Richardson, JOSA 62(1), 1972; L. B. Lucy, Astron. J. 79, 1974"
    dimensions = frozenset({2, 3})
    tolerance = 1e-3  # with tv; tiles agree to 1e-5 without
    keeps_light = True

    class Params(RichardsonLucyParams):
        """Settings of Richardson-Lucy."""

    _combines: bool | None = None
    """Whether combined steps are taken in all tiles; None lets the likelihood decide."""

    @property
    def needs_noise(self) -> bool:
        """Whether a stopping rule or the significance of a pixel is measured against the noise."""
        is_stopped = self.params.stop in ("discrepancy", "gradient-consensus")
        return is_stopped or self.params.min_significance > 0

    def deconvolve(
        self, blurred: Tensor, kernel: Kernel, context: Context, mask: Tensor | None = None
    ) -> Tensor:
        """Return the sharp image of the same shape as `blurred`; see `Deconvolver`."""
        context.checkpoint()
        with one_thread_if_small(blurred[0].numel()):
            counts = self._counts(blurred, kernel, context, mask)
            found = estimate_scene(
                self.params, blurred, kernel, context, mask, counts, self._combines
            )
            return counts.sharp(blurred, found.scene, found.blur)

    def calibrate(
        self, blurred: Tensor, kernel: Kernel, context: Context, mask: Tensor | None = None
    ) -> Self:
        """Return a copy with what was found on this image, see `Deconvolver`.

        The number of iterations, the background, and whether combined steps are taken.
        """
        counts = self._counts(blurred, kernel, context, mask)
        # A map belongs to its region: each tile measures its own.
        is_map = isinstance(counts.background, Tensor)
        found: dict[str, Any] = {} if is_map else {"background": counts.background}
        if self.params.stop in ("discrepancy", "gradient-consensus"):
            done = estimate_scene(self.params, blurred, kernel, context, mask, counts).iterations
            found |= {"iterations": done, "stop": "fixed"}
        calibrated = type(self)(self.params.model_copy(update=found))
        calibrated._combines = combined_step_helps(calibrated.params, blurred, kernel, mask, counts)
        return calibrated

    def halo(self, kernel: Kernel) -> tuple[int, ...]:
        """Return 5.5 standard deviations of a pixel's influence; see the Notes."""
        # Convolutions in all iterations: the consensus of gradients takes a third one in each.
        per_step = 3 if self.params.is_local else 2
        # The significance before the first iteration takes one, the residual after the last too;
        # the smoothed initial scene takes two.
        beside = 2 if self.params.min_significance else 0
        beside += 2 if self.params.initial == "smoothed" else 0
        # A combined step of a volume that accelerated ones follow is one more than theirs.
        most = len(fewest_steps(self.params)) + (kernel.ndim == 3 and self.params.is_accelerated)
        exact = [(most * per_step + beside) * n for n in kernel.half_width]
        if self.params.is_preview:
            return tuple(exact)
        count = self.params.iterations * per_step
        walk = [5.5 * count**0.5 * std for std in kernel_std(kernel)]
        return tuple(
            min(bound, int(distance) + (2 + beside) * reach)
            for bound, distance, reach in zip(exact, walk, kernel.half_width, strict=True)
        )

    def warnings(self) -> tuple[str, ...]:
        """Return that the result is a preview, if an unmatched back projector makes it one."""
        if not self.params.is_preview:
            return ()
        return (
            f"deconvolve '{self.name}': a preview by an unmatched back projector, which does not "
            "keep the flux; measure with 'back_projector: adjoint'.",
        )

    def _counts(
        self, blurred: Tensor, kernel: Kernel, context: Context, mask: Tensor | None
    ) -> CountsModel:
        psf = kernel.tensor(device=blurred.device)
        return CountsModel.of(self.params, blurred, psf, context, mask)


def kernel_std(kernel: Kernel) -> list[float]:
    """Return the standard deviation of the kernel along each axis, in pixels."""
    weights = kernel.weights.astype(np.float64)
    result = []
    for axis, n in enumerate(weights.shape):
        profile = weights.sum(tuple(a for a in range(weights.ndim) if a != axis))
        offset = np.arange(n) - n // 2
        result.append(float(np.sqrt((profile * offset**2).sum())))
    return result
