"""From coarse to fine: kernels carried from turn to turn and from scale to scale."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from operator import add

import torch
from torch import Tensor, nn

from unblur.numerics.kernel_ops import recentre
from unblur.numerics.pyramid import PyramidLevel, shrink_image
from unblur_schuler.quotient import Spectra
from unblur_schuler.windows import Look, Window, everywhere, stacked

AT_ONCE = 384 * 384
"""Pixels of the windows that are done at once, about."""

OnStep = Callable[[], None]


@dataclass(frozen=True)
class Step:
    """Where on the way from coarse to fine an estimator is.

    Attributes
    ----------
    scale : int
        Number of the scale, the coarsest being 0.
    turn : int
        Number of the turn at this scale.
    size : int
        Extent of the kernel at this scale.
    rise : float
        How many times finer this scale is than the one that the kernel at hand comes from.
    """

    scale: int
    turn: int
    size: int
    rise: float


class Network(nn.Module):
    """What predicts features from an image and the kernel so far, and divides them.

    Attributes
    ----------
    turns : int
        Turns at every scale.
    """

    turns: int

    @abstractmethod
    def scales(self, size: int) -> list[PyramidLevel]:
        """Return the scales for a kernel of `size` pixels, the coarsest first."""

    @abstractmethod
    def features(
        self, y: Tensor, kernel: Tensor | None, noise: Tensor, step: Step
    ) -> tuple[Tensor, Tensor]:
        """Return the features x and y of Eq. 4, (B, N, h, w) each.

        Parameters
        ----------
        y : (B, 1, h, w)
            Blurred image at this scale, white = 1.
        kernel : (B, n, n), optional
            Kernel so far, on the grid of the scale that it comes from; none at the start.
        noise : (B,)
            Standard deviation of the noise at this scale.
        step : Step
            Which turn this is.
        """

    @abstractmethod
    def kernel(self, spectra: Spectra, step: Step) -> Tensor:
        """Return the kernel (B, n, n) by Eq. 4: non-negative, of sum 1."""

    def finished(self, kernel: Tensor) -> Tensor:
        """Return the last turn's kernel (B, n, n) as it is to be used."""
        return kernel

    def steps(self, size: int, turns: int | None = None) -> Iterator[tuple[Step, float]]:
        """Yield every turn for a kernel of `size` pixels, and the ratio of its scale.

        `turns`, where given, replaces the network's own number.
        """
        before = 1.0
        for number, scale in enumerate(self.scales(size)):
            for turn in range(turns or self.turns):
                rise = scale.ratio / before if number and not turn else 1.0
                yield Step(number, turn, scale.size, rise), scale.ratio
            before = scale.ratio


def descend(
    network: Network,
    y: Tensor,
    size: int,
    noise: Tensor,
    on_step: OnStep | None = None,
    look: Look | None = None,
) -> Tensor:
    """Return the kernels (B, n, n) of images.

    The spectra are summed over windows, as in Welch's method: memory does not grow with the
    pixels that are looked at.

    Parameters
    ----------
    network : Network
        Predicts features.
    y : (B, 1, H, W)
        Blurred image, white = 1.
    size : int
        Extent of the kernel, odd.
    noise : (B,)
        Standard deviation of the noise.
    on_step : callable, optional
        Called after every turn.
    look : Look, optional
        How much of each scale to look at, of a single image; all of it where there is none.
    """
    kernel, level, ratio_of_level = None, y, 0.0
    for step, ratio in network.steps(size):
        if ratio != ratio_of_level:
            level, ratio_of_level = shrink_image(y, ratio), ratio
            windows = look.windows(level, step.size) if look else everywhere(level.shape[-2:])
        predict = partial(network.features, kernel=kernel, noise=noise * ratio, step=step)
        spectra = summed(level, windows, predict)
        kernel = recentre(network.kernel(spectra, step), by="unit-mass")
        if on_step is not None:
            on_step()
    assert kernel is not None
    return network.finished(kernel)


def summed(
    y: Tensor, windows: Sequence[Window], predict: Callable[[Tensor], tuple[Tensor, Tensor]]
) -> Spectra:
    """Return the spectra of the features that `predict` makes of each window, summed.

    Parameters
    ----------
    y : (B, 1, H, W)
        Images; windows of a single one are done several at once.
    windows : sequence of (rows, columns)
        All of one extent.
    predict : callable
        Maps (N, 1, h, w) to the features x and y of Eq. 4.
    """
    if y.shape[0] > 1:
        return reduce(add, (Spectra.of(*predict(y[..., r, c])) for r, c in windows))
    rows, columns = windows[0]
    count = max(AT_ONCE // ((rows.stop - rows.start) * (columns.stop - columns.start)), 1)
    groups = (windows[i : i + count] for i in range(0, len(windows), count))
    return reduce(add, (Spectra.of(*predict(stacked(y, group))).total() for group in groups))


def first_kernel(size: int, like: Tensor) -> Tensor:
    """Return a round spot (B, size, size) of standard deviation 1, to start from."""
    offset = torch.arange(size, dtype=like.dtype, device=like.device) - size // 2
    spot = torch.exp(-(offset**2) / 2)
    spot = spot / spot.sum()
    return torch.outer(spot, spot).expand(like.shape[0], size, size)
