"""The estimator `kotera`: `selfdeblur` from coarse to fine, from a known start, regularised."""

from __future__ import annotations

from pydantic import Field
from torch import Tensor

from unblur.model import stages
from unblur.model.context import Context
from unblur.model.stages import Estimate
from unblur.numerics.pyramid import PyramidLevel, odd, resize_kernel, shrink_image
from unblur_kotera.initialization import gaussian_start, start_from
from unblur_selfdeblur.networks.generators import Generators
from unblur_selfdeblur.optimisation import Data, Optimum, optimise
from unblur_selfdeblur.params import Preset, Settings, frame_size
from unblur_selfdeblur.preprocessing import Prepared, looked_at, shown
from unblur_selfdeblur.schedule import Phase, Plan
from unblur_selfdeblur.selection import best_of

SMALLEST = 7
"""Extent of the smallest kernel: smaller ones lead to no blur at all (section 4.1)."""
COARSE_SHARE: dict[Preset, float] = {"published": 0.1, "fast": 0.25}
"""Iterations of a coarse scale to those at full size: 500 to 5000 as published."""
SQUARES_SHARE = 0.4
"""Share of the iterations at full size with the first of the two sums: 2000 of 5000."""


class Kotera(stages.KernelEstimator):
    """Blind deconvolution by deep priors, from coarse to fine, in a way that rarely fails.

    The networks are those of `selfdeblur`. The image is first deblurred at half its size, then
    at 1 / sqrt(2) of it, then whole; at every scale the networks start from what the coarser
    one found. At first the squared residual is minimised with a kernel that is kept wide, then
    1 - SSIM with a smooth image::

        min  |k * x - y|^2 + 0.1 |k|^2,   then   1 - SSIM(k * x, y) + 0.01 |grad x|_1

    with all norms as means over their samples.

    Parameters
    ----------
    params : Params or mapping, optional
        See `Kotera.Params`.

    Notes
    -----
    The coarsest scale starts from a Gaussian kernel as wide as its frame and an image network
    left to chance. A fit of the image network to an image ends at an error of 10 / 255.

    What `selfdeblur` says of seeds, failed tries, colour and registration holds here too.

    Examples
    --------
    >>> from unblur.model.context import Context
    >>> from unblur.testing import synthetic_scene
    >>> blurred = synthetic_scene((48, 48)).blurred
    >>> found = Kotera(size=9, iterations=3, width=4).estimate(blurred, Context())
    >>> found.latent.shape
    torch.Size([1, 48, 48])

    References
    ----------
    J. Kotera, F. Sroubek, V. Smidl, "Improving neural blind deconvolution", ICIP 2021, Eqs. 8
    and 9.
    """

    name = "kotera"
    summary = "As selfdeblur, from coarse to fine: steadier; slow without a GPU."
    cites = "Kotera, Šroubek, Šmídl, ICIP 2021"
    region = 256

    class Params(Settings):
        """Settings of `kotera`."""

        scales: int = Field(
            3, ge=1, le=6, description="Scales, each 1.41 times finer than the one before."
        )
        spread: float = Field(
            0.1, ge=0, le=10, description="Weight of the mean squared kernel in the first part."
        )
        smoothness: float = Field(
            0.01, ge=0, le=10, description="Weight of total variation in the last part."
        )

    def estimate(self, blurred: Tensor, context: Context, mask: Tensor | None = None) -> Estimate:
        """Return the kernel and the sharp image; see `KernelEstimator`."""
        context.checkpoint()
        blurred, mask, is_whole = looked_at(blurred, mask, self.params.region)
        prepared = Prepared.of(blurred, mask, self.params.colour == "joint")
        size = frame_size(self.params.size, prepared.data, context)
        levels = levels_of(size, self.params.scales)
        plans = [self._plan(level) for level in levels]
        steps = self.params.restarts * sum(plan.iterations for plan in plans)
        tick = context.ticker(self.name, steps)

        def attempt(seed: int) -> Optimum:
            found: Optimum | None = None
            for level, plan in zip(levels, plans, strict=True):
                data = at_scale(prepared.data, level)
                generators = Generators.drawn(
                    data.blurred.shape,
                    level.size,
                    width=self.params.channels,
                    layers=self.params.kernel_net,
                    seed=seed,
                    device=context.device,
                )
                if found is None:
                    start_from(generators, gaussian_start(level.size, data.blurred))
                else:
                    kernel = resize_kernel(found.kernel, level.size)
                    start_from(generators, kernel, found.scene, context.checkpoint)
                full = level is levels[-1]
                step = shown(tick, prepared) if full else lambda _: tick()
                found = optimise(generators, data, plan, step)
            assert found is not None
            return found

        choice = best_of(self.params.restarts, context.seed, prepared.data, attempt)
        image = prepared.image(choice.best) if is_whole else None
        return Estimate.of(prepared.kernel(choice.best), image, choice.notes)

    def _plan(self, level: PyramidLevel) -> Plan:
        """Return what is done at a scale: the first sum alone at coarse ones."""
        iterations = self.params.full_iterations
        if level.ratio < 1:
            coarse = max(round(COARSE_SHARE[self.params.preset] * iterations), 1)
            return Plan([Phase(coarse, "squares", spread=self.params.spread)], halves_rates=False)
        first = round(SQUARES_SHARE * iterations)
        phases = [
            Phase(first, "squares", spread=self.params.spread),
            Phase(iterations - first, "similarity", smoothness=self.params.smoothness),
        ]
        return Plan(phases, stops_early=self.params.stop == "auto")


def levels_of(size: int, count: int) -> list[PyramidLevel]:
    """Return the scales for a kernel of `size` pixels, the coarsest first.

    Scales whose kernel would measure less than 7 pixels keep 7; they are left out if that is
    more than the full kernel.

    Example
    -------
    >>> [(round(s.ratio, 2), s.size) for s in levels_of(21, 3)]
    [(0.5, 11), (0.71, 15), (1.0, 21)]
    """
    ratios = [0.5 ** (n / 2) for n in range(count - 1, 0, -1)]
    coarse = [PyramidLevel(r, max(odd(round(size * r)), SMALLEST)) for r in ratios]
    return [*(scale for scale in coarse if scale.size <= size), PyramidLevel(1.0, size)]


def at_scale(data: Data, scale: PyramidLevel) -> Data:
    """Return the data at a scale."""
    if scale.ratio == 1:
        return data
    trusted = None
    if data.trusted is not None:
        trusted = shrink_image(data.trusted.float(), scale.ratio) > 0.999
    return Data(shrink_image(data.blurred, scale.ratio), trusted)
