"""The prior given by a classifier of blurred and sharp images."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from unblur.model import stages
from unblur_discriminative.weights import load_classifier


class Discriminative(stages.Prior):
    """Probability that an image is blurred, given by a trained network.

    The energy is the network's output f(x), between 0 for sharp and 1 for blurred, summed over
    the channels, each of which is classified separately. It is used beside `l0-gradient` in `map`.

    Parameters
    ----------
    params : Params or mapping, optional
        See `Discriminative.Params`.

    Notes
    -----
    The output for a whole image is one number, while other priors are sums over its pixels: a
    weight of 4e-3 moves a pixel by some thousandths of white per iteration. `proximal` is the
    gradient descent of Li Eq. 12 on Li Eq. 11, divided by twice its penalty; since the objective
    is not convex, the best of its iterates is returned, `x` among them. The network classifies
    images with salt-and-pepper noise wrongly (Li Sec. 7.4); remove it first (`map` has `median`).

    Examples
    --------
    >>> from unblur.testing import gaussian, synthetic_scene
    >>> given = synthetic_scene((96, 96), gaussian((15, 15), 3.0))
    >>> bool(Discriminative().energy(given.sharp) < Discriminative().energy(given.blurred))
    True

    References
    ----------
    L. Li, J. Pan, W.-S. Lai, C. Gao, N. Sang, M.-H. Yang, "Learning a discriminative prior for
    blind image deblurring", CVPR 2018, sections 3 and 4.1.
    """

    name = "discriminative"
    summary = "A network's probability that an image is blurred; for blind estimation."
    cites = "L. Li et al., Learning a Discriminative Prior for Blind Image Deblurring, CVPR 2018"

    class Params(stages.Params):
        """Settings of the discriminative prior."""

        model: str = Field(
            "general",
            description="Weights: general, or a .safetensors file that `unblur train "
            "discriminative` wrote.",
        )
        steps: int = Field(10, ge=1, le=1000, description="Gradient descent steps of `proximal`.")
        rate: float = Field(
            0.1,
            gt=0,
            le=1,
            description="Step length of the descent; at 1 one step removes the distance to x.",
        )

    def energy(self, x: Tensor) -> Tensor:
        """Return the sum over the channels of the probability of being blurred."""
        return torch.sigmoid(self._log_odds(x)).sum()

    def proximal(self, x: Tensor, step: float) -> Tensor:
        """Approximate `argmin_u step * energy(u) + |u - x|^2 / 2` by descent (Li Eq. 12)."""

        def objective(u: Tensor, energy: Tensor) -> float:
            return step * float(energy) + 0.5 * float((u - x).square().sum())

        u = best = x
        lowest = float("inf")
        for _ in range(self.params.steps):
            energy, gradient = self._energy_and_gradient(u)
            if (value := objective(u, energy)) < lowest:
                best, lowest = u, value
            u = u - self.params.rate * (u - x + step * gradient)
        return u if objective(u, self.energy(u)) < lowest else best

    def blur_score(self, x: Tensor) -> float:
        """Return the mean over the channels of the log-odds of being blurred."""
        with torch.no_grad():
            return float(self._log_odds(x).mean())

    def _energy_and_gradient(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the energy at `x` and its gradient."""
        with torch.enable_grad():
            u = x.detach().requires_grad_()
            energy = self.energy(u)
            (gradient,) = torch.autograd.grad(energy, u)
        return energy.detach(), gradient

    def _log_odds(self, x: Tensor) -> Tensor:
        classifier = load_classifier(self.params.model, x.dtype, x.device)
        log_odds: Tensor = classifier(x[:, None])
        return log_odds
