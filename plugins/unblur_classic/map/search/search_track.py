"""One alternation of a kernel search, whose kernel grows and shrinks with the support found."""

from __future__ import annotations

from functools import cached_property
from math import ceil

from torch import Tensor
from torch.nn import functional

from unblur.model.context import Context
from unblur.numerics.metrics import kernel_similarity
from unblur.numerics.pyramid import RATIO, PyramidLevel, odd
from unblur.numerics.regions import gradient_energy, most_textured_windows
from unblur_classic.map.alternating import Alternation, initial_kernel
from unblur_classic.map.latent_update import weighted_priors
from unblur_classic.map.preprocessing import EstimationInput
from unblur_classic.map.scoring import normalized_sparsity
from unblur_classic.map.search.hypotheses import Hypothesis, SearchParams

COARSEST_SIZE = 7
"""Extent of the kernel at the coarsest level, and its smallest extent at any, in pixels."""
SUPPORT_THRESHOLD = 0.08
"""Samples of a kernel above this fraction of its peak belong to its support, dimensionless."""
MARGIN, PADDING = 1.3, 2
"""Extent of the next level's kernel: factor on the support, and pixels added to that."""
UNBLURRED_EXTENT = 3
"""Largest extent of a support that is no blur, in pixels. After it the next level starts anew."""
RESOLVED_EXTENT = 14
"""Extent of the support from which a kernel can be compared with others, in pixels."""
MIN_EXTENTS = 10
"""Smallest side of the image at that level, in extents of the support, dimensionless."""
MIN_WINDOW, WINDOW_SIZES = 256, 16
"""Smallest edge of the window of a level that is used, in pixels, and its edge in extents of the
kernel, dimensionless."""
SAME_KERNEL = 0.95
"""Similarity from which two kernels of one hypothesis at one level count as the same,
dimensionless."""


class SearchTrack:
    """An alternation whose kernel grows and shrinks from level to level with the support found.

    Parameters
    ----------
    hypothesis : Hypothesis
        Its settings.
    first_level : int
        Level at which it starts.
    given : EstimationInput
        The image, its valid pixels and noise.
    context : Context
        Progress and cancellation.
    max_size : int
        Largest extent of the kernel, in pixels.

    Attributes
    ----------
    level : int
        The last level it ran at: the image at `RATIO**level` of its size.
    window : (Tensor, Tensor)
        Window of the image (h, w) at that level, and its valid pixels.
    count : int
        Number of alternations that have come to its kernel, dimensionless.
    is_streak : bool
        Whether its kernel is the shape of light streaks, see `of_streaks`.
    """

    def __init__(
        self,
        hypothesis: Hypothesis,
        first_level: int,
        given: EstimationInput,
        context: Context,
        max_size: int,
    ) -> None:
        self.hypothesis, self.level, self.window = hypothesis, first_level, (given.y, given.valid)
        self._first_level, self._max_size, self._extent = first_level, max_size, 0
        self._is_resolved, self.count, self.is_streak = False, 1, False
        self._black = given.black
        self._alternation = Alternation(
            weighted_priors(hypothesis.priors),
            SearchParams(hypothesis.ridge),
            given.noise,
            lambda _: context.checkpoint(),
        )
        self._alternation.start(given.y.new_zeros(1, 1), 1.0)

    @classmethod
    def of_streaks(
        cls, kernel: Tensor, hypothesis: Hypothesis, given: EstimationInput, context: Context
    ) -> SearchTrack:
        """Return a track that has ended at full size, with the shape (n, n) of light streaks."""
        track = cls(hypothesis, 0, given, context, kernel.shape[-1])
        track._alternation.start(kernel, 1.0)
        track._extent, track._is_resolved, track.is_streak = support_extent(kernel), True, True
        least = WINDOW_SIZES * track._extent
        track.window = textured_window(given.y, given.valid, MIN_WINDOW, least)
        return track

    @property
    def kernel(self) -> Tensor:
        """The kernel (n, n) at the last level."""
        return self._alternation.kernel

    @cached_property
    def score(self) -> float:
        """`sparsity_score` of the image that the kernel restores; NaN if that is constant.

        To be used once the track has ended.
        """
        return normalized_sparsity(*self.window, self.kernel, self._black)

    @property
    def ratio(self) -> float:
        """Size of the last level, relative to the full one."""
        return float(RATIO**self.level)

    def is_active_at(self, level: int) -> bool:
        """Return whether it runs at a level: it has started there or before, and not ended."""
        return level <= self._first_level and not self._is_resolved

    def run_level(self, level: int, image: Tensor, valid: Tensor) -> None:
        """Iterate at a level, on a kernel that holds what was found at the last one."""
        ratio, size = RATIO**level, COARSEST_SIZE
        expected = self._extent * ratio / self._alternation.ratio
        if self._extent <= UNBLURRED_EXTENT:
            start = initial_kernel(size, image, self.hypothesis.direction)
            self._alternation.start(start, ratio)
        else:
            wanted = odd(ceil(MARGIN * expected) + PADDING)
            size = min(max(size, wanted), odd(ceil(self._max_size * ratio) + 2))
        self.window = textured_window(image, valid, MIN_WINDOW, WINDOW_SIZES * expected)
        self._alternation.run_level(PyramidLevel(ratio, size), *self.window)
        self.level, self._extent = level, support_extent(self.kernel)
        is_large = min(image.shape) >= MIN_EXTENTS * self._extent
        self._is_resolved = self._extent >= RESOLVED_EXTENT and is_large

    def is_same_as(self, other: SearchTrack) -> bool:
        """Return whether another track has come to the same kernel at the same level."""
        settings = [(t.level, t.hypothesis, t.is_streak) for t in (self, other)]
        if settings[0] != settings[1]:
            return False
        pair = (t.kernel.cpu().numpy() for t in (self, other))
        return kernel_similarity(*pair) >= SAME_KERNEL


def support_extent(kernel: Tensor) -> int:
    """Return the larger side of the box around a kernel's support, in pixels.

    Example
    -------
    >>> import torch
    >>> support_extent(torch.tensor([[0.01, 0.0, 0.0], [0.4, 0.6, 0.0], [0.0, 0.0, 0.0]]))
    2
    """
    places = (kernel > SUPPORT_THRESHOLD * kernel.max()).nonzero()
    return int((places.max(0).values - places.min(0).values).max()) + 1


def textured_window(
    image: Tensor, valid: Tensor, edge: int, least: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Return the window of an image (h, w), and of its valid pixels, with the most texture.

    Its edge is the larger of `edge` and `least`, in pixels, but not larger than the image.
    """
    size = [min(n, max(edge, ceil(least))) for n in image.shape]
    if size == list(image.shape):
        return image, valid
    energy = functional.pad(gradient_energy(image), (0, 1, 0, 1)) * valid
    rows, columns = most_textured_windows(energy, size, [max(n // 4, 1) for n in size])[0]
    return image[rows, columns], valid[rows, columns]
