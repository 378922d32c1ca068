"""Coarse-to-fine estimation: the kernel of one iteration and scale is the input of the next."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from operator import add

import torch
from torch import Tensor, nn

from unblur.accel.parallel import one_thread_if_small
from unblur.numerics.kernel_ops import recentre
from unblur.numerics.pyramid import PyramidLevel, shrink_image
from unblur_schuler.quotient import Spectra
from unblur_schuler.windows import AllWindows, Window, WindowSelection, stack_windows

BATCH_PIXELS = 384 * 384
"""Approximate number of pixels of the windows that are processed as one batch."""

OnStep = Callable[[], None]


@dataclass(frozen=True)
class Iteration:
    """One iteration of the coarse-to-fine estimation.

    Attributes
    ----------
    level : int
        Number of the scale, counted from 0 at the coarsest.
    index : int
        Number of the iteration at this scale, counted from 0.
    size : int
        Extent of the kernel at this scale, in pixels.
    upscaling : float
        Size of this scale relative to that of the kernel so far: above 1 in the first iteration
        of a finer scale, otherwise 1.
    """

    level: int
    index: int
    size: int
    upscaling: float


class Network(nn.Module):
    """Predicts features from an image and the kernel so far, and divides them (Schuler Eq. 4).

    Attributes
    ----------
    iterations : int
        Iterations at every scale.
    """

    iterations: int

    @abstractmethod
    def levels(self, size: int) -> list[PyramidLevel]:
        """Return the scales for a kernel of `size` pixels, the coarsest first."""

    @abstractmethod
    def features(
        self, y: Tensor, kernel: Tensor | None, noise: Tensor, iteration: Iteration
    ) -> tuple[Tensor, Tensor]:
        """Return the features x_i and y_i of (Schuler Eq. 4), (B, N, h, w) each.

        Parameters
        ----------
        y : (B, 1, h, w)
            Blurred image at this scale, white = 1.
        kernel : (B, n, n), optional
            Kernel so far, on the grid of the scale that it was estimated at; None in the first
            iteration of the coarsest scale.
        noise : (B,)
            Standard deviation of the noise at this scale, white = 1.
        iteration : Iteration
            Number of the iteration and its scale.
        """

    @abstractmethod
    def kernel(self, spectra: Spectra, iteration: Iteration) -> Tensor:
        """Return the kernel (B, n, n) of (Schuler Eq. 4), non-negative and of sum 1."""

    def finalize(self, kernel: Tensor) -> Tensor:
        """Return the result (B, n, n), from the kernel of the last iteration."""
        return kernel

    def schedule(
        self, size: int, iterations: int | None = None
    ) -> Iterator[tuple[Iteration, float]]:
        """Yield every iteration for a kernel of `size` pixels, with the ratio of its scale.

        `iterations`, if given, replaces the network's own number.
        """
        before = 1.0
        for number, level in enumerate(self.levels(size)):
            for index in range(iterations or self.iterations):
                upscaling = level.ratio / before if number and not index else 1.0
                yield Iteration(number, index, level.size, upscaling), level.ratio
            before = level.ratio


def estimate_coarse_to_fine(
    network: Network,
    y: Tensor,
    size: int,
    noise: Tensor,
    on_step: OnStep | None = None,
    selection: WindowSelection | AllWindows | None = None,
) -> Tensor:
    """Return the kernels (B, n, n) of images.

    The spectra are summed over windows, as in Welch's method, so that memory does not grow with
    the number of pixels that are used.

    Parameters
    ----------
    network : Network
        Predicts the features.
    y : (B, 1, H, W)
        Blurred image, white = 1.
    size : int
        Extent of the kernel in pixels, odd.
    noise : (B,)
        Standard deviation of the noise, white = 1.
    on_step : callable, optional
        Called after every iteration.
    selection : WindowSelection or AllWindows, optional
        Windows of each scale that are used; by default they cover it. A `WindowSelection` is
        for a single image.
    """
    kernel, image, ratio_of_image = None, y, 0.0
    selection = selection or AllWindows()
    for iteration, ratio in network.schedule(size):
        if ratio != ratio_of_image:
            image, ratio_of_image = shrink_image(y, ratio), ratio
            windows = selection.windows(image, iteration.size)
        predict = partial(network.features, kernel=kernel, noise=noise * ratio, iteration=iteration)
        spectra = accumulate_spectra(image, windows, predict)
        kernel = recentre(network.kernel(spectra, iteration), by="unit-mass")
        if on_step is not None:
            on_step()
    assert kernel is not None
    return network.finalize(kernel)


def accumulate_spectra(
    y: Tensor, windows: Sequence[Window], predict: Callable[[Tensor], tuple[Tensor, Tensor]]
) -> Spectra:
    """Return the sum over windows of the spectra of their features (Schuler Eq. 4).

    Parameters
    ----------
    y : (B, 1, H, W)
        Images; several windows of a single image are processed as one batch.
    windows : sequence of (rows, columns)
        Windows of one common extent.
    predict : callable
        Maps (N, 1, h, w) to the features x_i and y_i.
    """
    if y.shape[0] > 1:
        return reduce(add, (Spectra.of(*predict(y[..., r, c])) for r, c in windows))
    rows, columns = windows[0]
    pixels = (rows.stop - rows.start) * (columns.stop - columns.start)
    batch = max(BATCH_PIXELS // pixels, 1)
    groups = [windows[i : i + batch] for i in range(0, len(windows), batch)]
    with one_thread_if_small(len(groups[0]) * pixels):
        found = (Spectra.of(*predict(stack_windows(y, group))).total() for group in groups)
        return reduce(add, found)


def initial_kernel(size: int, like: Tensor) -> Tensor:
    """Return the first kernel (B, size, size), a Gaussian of a standard deviation of one pixel."""
    offset = torch.arange(size, dtype=like.dtype, device=like.device) - size // 2
    profile = torch.exp(-(offset**2) / 2)
    profile = profile / profile.sum()
    return torch.outer(profile, profile).expand(like.shape[0], size, size)
