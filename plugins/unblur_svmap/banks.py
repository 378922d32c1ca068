"""Filter banks: predicted for each pixel, learned once for all pixels, or fixed."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from unblur.numerics.boundaries import pad_periodic
from unblur_svmap.networks import FilterNetwork

FilterBank = Tensor
"""Filters at every pixel, (B, N, s * s, H, W); an extent of 1 serves all pixels."""

SIDE = 5
"""Extent of the filters along each axis (s_f and s_g of the paper), in pixels."""
EXPONENT = 0.5
"""Exponent p of the initial hyper-Laplacian |.|^p, dimensionless; photographs lie between 0.5 and
0.8."""
PRIOR_WEIGHT = 0.01
"""Weight of the hyper-Laplacian that restored photographs best at 1 % of noise, dimensionless."""
MIN_DERIVATIVE = 0.01
"""Derivative below which the hyper-Laplacian is smoothed to a quadratic, white = 1 per pixel."""
SECOND_DERIVATIVE_SCALE = 0.5
"""Scale of the initial second-derivative filters relative to the first, dimensionless."""


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
    """Return the five initial filters of the regulariser: first and weaker second derivatives."""
    second = torch.stack(
        [
            centred({(-1, 0): 1.0, (0, 0): -2.0, (1, 0): 1.0}),
            centred({(0, -1): 1.0, (0, 0): -2.0, (0, 1): 1.0}),
            centred({(0, 0): 1.0, (1, 0): -1.0, (0, 1): -1.0, (1, 1): 1.0}),
        ]
    )
    return torch.cat([derivatives(), SECOND_DERIVATIVE_SCALE * second])


def data_filters() -> Tensor:
    """Return the three initial filters of the data term: identity and 0.1 times derivatives."""
    return torch.cat([centred({(0, 0): 1.0})[None], 0.1 * derivatives()])


def fixed_identity(like: Tensor) -> FilterBank:
    """Return the bank of the plain l2 data term."""
    return (
        centred({(0, 0): 1.0})
        .to(like)
        .reshape(1, 1, -1, 1, 1)
        .expand(like.shape[0], 1, -1, *like.shape[2:])
    )


def hyper_laplacian(x: Tensor) -> Tensor:
    """Return the weight of each of `derivative_filters` at each pixel of `x`, (B, 5, H, W).

    The reweighted least-squares weight of |d|^p is |d|^(p - 2) (Dong Eq. 11), bounded near d = 0.
    The derivative's square is averaged over 3 x 3 pixels, which noise affects less. Filters are
    multiplied by the weight's square root, which is returned.
    """
    filters = torch.cat([derivatives(), derivative_filters()[2:] / SECOND_DERIVATIVE_SCALE]).to(x)
    wide = pad_periodic(x, (SIDE // 2,) * 4)
    power = functional.conv2d(wide, filters[:, None]).square()
    power = functional.avg_pool2d(power, 3, 1, 1, count_include_pad=False)
    return (PRIOR_WEIGHT * (power + MIN_DERIVATIVE**2) ** (EXPONENT / 2 - 1)).sqrt()


class LearnedFilters(nn.Module):
    """Filters for every pixel predicted by a network, or one bank with predicted weights.

    Parameters
    ----------
    inputs : int
        Number of input images of the network.
    base : (N, s, s)
        Initial filters.
    invariant : bool
        Whether all pixels share the (learned) filters and only their weights vary.
    """

    def __init__(self, inputs: int, base: Tensor, invariant: bool = False) -> None:
        super().__init__()
        self.filters = nn.Parameter(base.clone()) if invariant else None
        initial = torch.zeros(base.shape[0], 1, 1) if invariant else base
        self.network = FilterNetwork(inputs, initial)

    def forward(self, images: Tensor) -> FilterBank:
        """Map images (B, inputs, H, W) to a bank (B, N, s * s, H, W)."""
        bank: Tensor = self.network(images)
        if self.filters is None:
            return bank
        # Weights act on filters as factors, exp keeps them positive (Dong Eq. 11).
        return bank.exp() * self.filters.flatten(1)[None, :, :, None, None]
