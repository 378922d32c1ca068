"""Where filter banks come from: learned for each pixel, learned for all, or fixed by hand."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from unblur_svmap.networks import FilterNetwork

Bank = Tensor
"""Filters at every pixel, (B, N, s * s, H, W); an extent of 1 stands for all pixels."""

SIDE = 5
EXPONENT = 0.5
"""Of the hyper-Laplacian |.|^p at rest; photographs lie between 0.5 and 0.8."""
STRENGTH = 0.01
"""Weight of the hyper-Laplacian that serves photographs best, at the noise of 1 %."""
LEAST_FEATURE = 0.01
"""Derivative, white = 1, below which the hyper-Laplacian is rounded off."""
CURVATURE = 0.5
"""Size of the second-derivative filters at rest against the first."""


def centred(taps: dict[tuple[int, int], float]) -> Tensor:
    """Return one filter (SIDE, SIDE) from its taps (row, column) about the centre."""
    out = torch.zeros(SIDE, SIDE)
    for (row, column), weight in taps.items():
        out[SIDE // 2 + row, SIDE // 2 + column] = weight
    return out


def derivatives() -> Tensor:
    """Return the first derivatives, down and across, (2, SIDE, SIDE)."""
    return torch.stack([centred({(0, 0): -1.0, (1, 0): 1.0}), centred({(0, 0): -1.0, (0, 1): 1.0})])


def derivative_filters() -> Tensor:
    """Return the five filters at rest of the regulariser: first and weaker second derivatives."""
    second = torch.stack(
        [
            centred({(-1, 0): 1.0, (0, 0): -2.0, (1, 0): 1.0}),
            centred({(0, -1): 1.0, (0, 0): -2.0, (0, 1): 1.0}),
            centred({(0, 0): 1.0, (1, 0): -1.0, (0, 1): -1.0, (1, 1): 1.0}),
        ]
    )
    return torch.cat([derivatives(), CURVATURE * second])


def data_filters() -> Tensor:
    """Return the three filters at rest of the data term: identity and faint derivatives."""
    return torch.cat([centred({(0, 0): 1.0})[None], 0.1 * derivatives()])


def fixed_identity(like: Tensor) -> Bank:
    """Return the bank of the plain l2 data term."""
    return (
        centred({(0, 0): 1.0})
        .to(like)
        .reshape(1, 1, -1, 1, 1)
        .expand(like.shape[0], 1, -1, *like.shape[2:])
    )


def hyper_laplacian(x: Tensor) -> Tensor:
    """Return the weight of each of `derivative_filters` at each pixel of `x`, (B, 5, H, W).

    The reweighted least-squares weight of |d|^p is |d|^(p - 2) (Eq. 11), bounded near d = 0. The
    derivative's square is averaged over 3 x 3 pixels, which noise disturbs less. Filters are
    multiplied by the weight's root, which is what is returned.
    """
    filters = torch.cat([derivatives(), derivative_filters()[2:] / CURVATURE]).to(x)
    wide = functional.pad(x, (SIDE // 2,) * 4, mode="circular")
    power = functional.conv2d(wide, filters[:, None]).square()
    power = functional.avg_pool2d(power, 3, 1, 1, count_include_pad=False)
    return (STRENGTH * (power + LEAST_FEATURE**2) ** (EXPONENT / 2 - 1)).sqrt()


class LearnedFilters(nn.Module):
    """Filters for every pixel predicted by a network, or one bank with predicted weights.

    Parameters
    ----------
    inputs : int
        Number of images that the network sees.
    base : (N, s, s)
        Filters at rest.
    invariant : bool
        Whether all pixels share the (learned) filters and only their weights vary.
    """

    def __init__(self, inputs: int, base: Tensor, invariant: bool = False) -> None:
        super().__init__()
        self.filters = nn.Parameter(base.clone()) if invariant else None
        at_rest = torch.zeros(base.shape[0], 1, 1) if invariant else base
        self.network = FilterNetwork(inputs, at_rest)

    def forward(self, images: Tensor) -> Bank:
        """Map images (B, inputs, H, W) to a bank (B, N, s * s, H, W)."""
        bank: Tensor = self.network(images)
        if self.filters is None:
            return bank
        # Weights act on filters as factors, exp keeps them positive (Eq. 11).
        return bank.exp() * self.filters.flatten(1)[None, :, :, None, None]
