"""Every place of a feature map looking at all others: a non-local block."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class NonLocalBlock(nn.Module):
    """Adds to each place the mean of all places, weighted by how alike they are.

    Parameters
    ----------
    channels : int
        Of the map; half as many inside the block.

    Notes
    -----
    The weights are plain dot products without a softmax, so that the products of all places
    with one another need not be formed: `(t p) g = t (p g)`. The last normalisation starts at
    scale 0, that is, the block starts as the identity.

    References
    ----------
    X. Wang, R. Girshick, A. Gupta, K. He, "Non-local neural networks", CVPR 2018, Eq. 6.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = max(channels // 2, 1)
        self.theta = nn.Conv2d(channels, inner, 1)
        self.phi = nn.Conv2d(channels, inner, 1)
        self.g = nn.Conv2d(channels, inner, 1)
        self.back = nn.Conv2d(inner, channels, 1, bias=False)
        self.norm = nn.BatchNorm2d(channels, track_running_stats=False)
        nn.init.zeros_(self.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map (1, C, H, W) to the same shape."""
        theta, phi, g = self.theta(x), _halved(self.phi(x)), _halved(self.g(x))
        summary = phi.flatten(2) @ g.flatten(2).transpose(1, 2) / phi[0, 0].numel()
        seen = (summary.transpose(1, 2) @ theta.flatten(2)).view_as(theta)
        out: Tensor = x + self.norm(self.back(seen))
        return out


def _halved(x: Tensor) -> Tensor:
    return x if min(x.shape[-2:]) < 2 else functional.max_pool2d(x, 2)


def attends(level: int, levels: int) -> bool:
    """Return whether a level, counted from 0, is one of the three deepest."""
    return level >= max(levels - 3, 0)
