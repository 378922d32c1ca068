"""Non-local block: every position of a feature map attends to all positions."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class NonLocalBlock(nn.Module):
    """Adds to each position the mean over all positions, weighted by their similarity to it.

    Parameters
    ----------
    channels : int
        Channels of the map; half as many are used inside the block.

    Notes
    -----
    The weights are plain dot products without a softmax, so that the matrix of all pairs of
    positions need not be formed: `(theta phi) g = theta (phi g)`. The scale of the last
    normalisation is initially 0, so that the block is initially the identity.

    References
    ----------
    X. Wang, R. Girshick, A. Gupta, K. He, "Non-local neural networks", CVPR 2018 (Wang Eq. 6).
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
        theta, phi, g = self.theta(x), _max_pool_2x(self.phi(x)), _max_pool_2x(self.g(x))
        summary = phi.flatten(2) @ g.flatten(2).transpose(1, 2) / phi[0, 0].numel()
        attended = (summary.transpose(1, 2) @ theta.flatten(2)).view_as(theta)
        out: Tensor = x + self.norm(self.back(attended))
        return out


def _max_pool_2x(x: Tensor) -> Tensor:
    return x if min(x.shape[-2:]) < 2 else functional.max_pool2d(x, 2)


def has_attention(level: int, levels: int) -> bool:
    """Return whether a level, counted from 0, is one of the three deepest, which attend."""
    return level >= max(levels - 3, 0)
