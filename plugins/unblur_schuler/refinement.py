"""The last turns: cartoons with ever more edges, which tell the faint parts of a kernel."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from functools import partial

import torch
from torch import Tensor

from unblur.numerics.contrast import CONTRAST, LOUD, PRICE_WHEN_LOUD, price_against
from unblur.numerics.kernel_ops import recentre, remove_small_components
from unblur.numerics.operators import gradient
from unblur_schuler.cartoon import cartoons
from unblur_schuler.coarse_to_fine import OnStep, summed
from unblur_schuler.windows import Look, everywhere

FIRST = 1e-2
"""Price of an edge in the first turn."""
SPECK = 0.03
"""Share of the kernel below which a piece of it that touches no other becomes 0 after each turn."""


@dataclass(frozen=True)
class Strictness:
    """How much is taken for an error.

    Attributes
    ----------
    last : float
        Price of an edge in the last turn.
    ridge : float
        The beta_k of Eq. 4, relative to the mean power of the features.
    faint : float
        Share of the peak below which a value of the kernel becomes 0 after each turn.
    """

    last: float
    ridge: float
    faint: float

    @classmethod
    def at(cls, noise: float) -> Strictness:
        """Return what suits a noise of this standard deviation, at `CONTRAST`.

        Up to `LOUD` it lies between `CLEAN` and `NOISY`; beyond, prices grow as
        `price_against` does, and the ridge with the noise.
        """
        ratio = noise / LOUD
        if ratio < 1:
            pairs = zip(astuple(CLEAN), astuple(NOISY), strict=True)
            return cls(*(clean + ratio * (noisy - clean) for clean, noisy in pairs))
        return cls(price_against(noise), NOISY.ridge * ratio, NOISY.faint)


CLEAN, NOISY = Strictness(1e-4, 0.1, 0.04), Strictness(PRICE_WHEN_LOUD, 0.4, 0.06)


def refined(
    y: Tensor,
    kernel: Tensor,
    turns: int,
    noise: float,
    on_step: OnStep | None = None,
    look: Look | None = None,
) -> Tensor:
    """Return kernels with what the network's few clear edges could not tell.

    In each turn the latent image is a cartoon for the kernel so far, at a lower price of an
    edge than in the turn before, and the kernel is the quotient of the gradients (Eq. 4).

    Parameters
    ----------
    y : (B, 1, H, W)
        Blurred image.
    kernel : (B, n, n)
        Kernels to start from, of sum 1.
    turns : int
        How many.
    noise : float
        Standard deviation of the noise. The more there is, the stricter are the turns.
    on_step : callable, optional
        Called after every turn.
    look : Look, optional
        How much of a single image to look at; all of it where there is none.
    """
    gain = CONTRAST / y.std((-2, -1), keepdim=True).clamp_min(1e-6)
    y = gain * y
    strict = Strictness.at(noise * float(gain.mean()))
    size = kernel.shape[-1]
    windows = look.windows(y, size) if look else everywhere(y.shape[-2:])
    for price in torch.logspace(0, 1, turns, base=strict.last / FIRST).mul(FIRST).tolist():
        predict = partial(slopes, kernel=kernel, price=price)
        raw = summed(y, windows, predict).kernel(size, strict.ridge)
        cleaned = [remove_small_components(k, strict.faint, SPECK) for k in raw]
        kernel = recentre(torch.stack(cleaned), by="unit-mass")
        if on_step is not None:
            on_step()
    return kernel


def slopes(y: Tensor, kernel: Tensor, price: float) -> tuple[Tensor, Tensor]:
    """Return the gradients of the cartoon and of the image, (B, 2, h, w) each."""
    latent = cartoons(y, kernel, y.new_tensor([price]))
    sharp, blurred = (gradient(x)[:, :, 0].transpose(0, 1) for x in (latent, y))
    return sharp, blurred
