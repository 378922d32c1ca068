"""Alternating minimisation over latent image and kernel, from coarse to fine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from unblur.numerics.kernel_ops import recentre, remove_small_components
from unblur.numerics.operators import gradient
from unblur.numerics.pyramid import PyramidLevel, rescale_kernel, shrink_image
from unblur.numerics.statistics import REFERENCE_NOISE, l0_weight_for_noise
from unblur_classic.map.edges import salient_threshold
from unblur_classic.map.kernel_update import WHITENED_RIDGE, fit_kernel
from unblur_classic.map.latent_update import WeightedPrior
from unblur_classic.map.preprocessing import EstimationInput
from unblur_classic.map.scale_state import ScaleState

OnIteration = Callable[[Tensor], None]
"""Function that is called after every iteration with the kernel (n, n) at its level."""

MIN_WEIGHT = 1e-4
"""Smallest weight of the first prior before the refinements, relative to the squared residual;
the weights of the others decrease in proportion."""
WEIGHT_DECAY = 1.1
"""Divisor per iteration of the priors' weights and of the threshold of salient edges,
dimensionless."""
FINAL_WEIGHT = 2e-5
"""Weight of the first prior at the end of the refinements, relative to the squared residual."""
MAX_UNSCALED_L0_WEIGHT = 1e-3
"""Largest noise-dependent L0 weight at which the configured prior weights are used unchanged,
relative to the squared residual. Above it they are scaled up in proportion."""
RIDGE_INCREASE, KEEP_RIDGE_BELOW = 15.0, 0.1
"""Relative increase of the ridge at the reference noise level, and the noise, as a fraction of
that level, below which the ridge is not increased, dimensionless."""
WHITENING_EPS = 0.4
"""Whitening constant of the refinements, as a multiple of the ridge. There is no whitening before:
thresholded gradients have too little energy at most frequencies."""
INITIAL_DIRECTIONS = ((0, -1), (-1, 0), (-1, -1), (-1, 1))
"""Offsets of the second pixel of an initial kernel from its centre, (rows, columns) in pixels."""


@dataclass(frozen=True)
class WeightLimits:
    """Lower limits of the weights at a pyramid level, by its noise; found by trial on photographs.

    Attributes
    ----------
    smallest, final : float
        Weight of the first prior down to which it decreases before the refinements, and at their
        end, relative to the squared residual.
    ridge_factor : float
        Factor on the ridge.
    """

    smallest: float
    final: float
    ridge_factor: float

    @classmethod
    def at(cls, noise: float) -> WeightLimits:
        """Return the limits for a standard deviation of the noise, at `CONTRAST`."""
        final = max(FINAL_WEIGHT, 2 * l0_weight_for_noise(noise))
        ratio = noise / REFERENCE_NOISE
        increase = (
            RIDGE_INCREASE * ratio * min(ratio**0.5, 1.0) if ratio > KEEP_RIDGE_BELOW else 0.0
        )
        return cls(max(MIN_WEIGHT, 2 * final), final, 1 + increase)


class Alternation:
    """One alternation between latent image and kernel, from level to level of a pyramid.

    One iteration is a latent update (`update_latent`), then a kernel update (`fit_kernel`).

    Parameters
    ----------
    priors : sequence of WeightedPrior
        Priors on the latent image. If one acts on the gradient, those on the image are left out
        of the refinements: they take time and change little there.
    params : Params
        With `iterations` per pyramid level, `refinements` after them, `ridge`, `whiten`, and the
        `threshold` and `min_component_mass` of `remove_small_components`, which is applied to the
        kernel after every iteration.
    noise : float
        Standard deviation of the noise at full size, at `CONTRAST`. With more noise the weight of
        the first prior decreases less, from a larger initial value if needed, and the ridge
        increases.

    Attributes
    ----------
    kernel : (n, n)
        The current kernel.
    ratio : float
        Size of the level at which it is, relative to the full one.
    """

    kernel: Tensor
    ratio: float

    def __init__(
        self, priors: Sequence[WeightedPrior], params: Any, noise: float, on_iteration: OnIteration
    ) -> None:
        self.priors, self.params, self.noise = priors, params, noise
        self._on_iteration = on_iteration
        self._largest = max(l0_weight_for_noise(noise) / MAX_UNSCALED_L0_WEIGHT, 1.0)

    def start(self, kernel: Tensor, ratio: float, share: float = 1.0) -> None:
        """Start from a kernel (n, n) at a level, with a share of the priors' initial weights."""
        self.kernel, self.ratio = kernel, ratio
        self._factor, self._threshold = share * self._largest, 0.0

    def run_level(self, level: PyramidLevel, image: Tensor, valid: Tensor) -> None:
        """Run the iterations at a level, and move the kernel to the middle of its support.

        The parameters are those of `enter_level`.
        """
        self.enter_level(level, image, valid)
        if not self._threshold:
            self._threshold = salient_threshold(gradient(image), level.size)
        first = self.priors[0].weight
        for _ in range(self.params.iterations):
            self._iterate(self.priors, self._threshold, ridge=self._ridge)
            self._threshold /= WEIGHT_DECAY
            smallest = min(self._limits.smallest / first, self._largest)
            self._factor = max(self._factor / WEIGHT_DECAY, smallest)
        self.kernel = recentre(self.kernel, by="support")

    def enter_level(self, level: PyramidLevel, image: Tensor, valid: Tensor) -> None:
        """Bring the kernel to a level, without an iteration.

        Parameters
        ----------
        level : PyramidLevel
            Its ratio, and the extent of the kernel there.
        image, valid : (h, w)
            The image at the level, or a window of it, and 1 at valid pixels.
        """
        self._limits = WeightLimits.at(self.noise * level.ratio)
        self._ridge = self._limits.ridge_factor * self.params.ridge
        self._state = ScaleState.of(level.size, image, valid)
        self.kernel = rescale_kernel(self.kernel, level.size, level.ratio / self.ratio)
        self.ratio = level.ratio

    def refine(self) -> None:
        """Iterate at the last level with all gradients and decreasing weights of the priors."""
        fit: dict[str, Any] = {"ridge": self._ridge}
        if self.params.whiten:
            fit = {"ridge": WHITENED_RIDGE, "whitening": WHITENING_EPS * self._ridge}
        count, first = self.params.refinements, self.priors[0].weight
        decay = (self._limits.final / (self._factor * first)) ** (1 / max(count, 1))
        refining = [p for p in self.priors if p.on_gradient] or self.priors
        for _ in range(count):
            self._factor *= min(decay, 1.0)
            self._iterate(refining, 0.0, **fit)

    def _iterate(self, priors: Sequence[WeightedPrior], threshold: float, **fit: Any) -> None:
        scaled = [p.scaled(self._factor) for p in priors]
        sharp, blurred = self._state.update(self.kernel, scaled, threshold)
        found = fit_kernel(sharp, blurred, self.kernel, **fit)
        p = self.params
        self.kernel = remove_small_components(found, p.threshold, p.min_component_mass)
        self._on_iteration(self.kernel)


def alternating_minimization(
    given: EstimationInput,
    levels: Sequence[PyramidLevel],
    priors: Sequence[WeightedPrior],
    params: Any,
    on_iteration: OnIteration,
    initial: Tensor | None = None,
) -> Tensor:
    """Return the kernel, estimated from the coarsest level to the full size.

    Parameters
    ----------
    given : EstimationInput
        The image, normalised to the contrast for which the priors' weights are meant.
    levels : sequence of PyramidLevel
        The coarsest first.
    priors, params
        See `Alternation`.
    on_iteration : callable
        Called after every iteration with the kernel (n, n) at its level.
    initial : (n, n), optional
        Initial kernel at the first of the levels; `initial_kernel` if left out.
    """
    alternation = Alternation(priors, params, given.noise, on_iteration)
    kernel = initial_kernel(levels[0].size, given.y) if initial is None else initial
    alternation.start(kernel, levels[0].ratio)
    for level in levels:
        image, valid = (shrink_image(x, level.ratio) for x in (given.y, given.valid))
        alternation.run_level(level, image, valid)
    alternation.refine()
    return alternation.kernel


def initial_kernel(
    size: int, like: Tensor, direction: tuple[int, int] = INITIAL_DIRECTIONS[0]
) -> Tensor:
    """Return a kernel (size, size) of two neighbouring pixels, from which any motion can evolve.

    `direction` is the offset of the second pixel from the centre, in rows and columns.
    """
    kernel = like.new_zeros(size, size)
    centre = size // 2
    kernel[centre, centre] = kernel[centre + direction[0], centre + direction[1]] = 0.5
    return kernel
