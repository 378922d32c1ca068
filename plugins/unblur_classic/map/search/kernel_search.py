"""Search for a kernel and its extent: several hypotheses, carried from coarse to fine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil, floor, inf, isfinite, log

from torch import Tensor

from unblur.accel.parallel import map_on_threads
from unblur.errors import ImageError
from unblur.model.context import Context
from unblur.numerics.metrics import kernel_similarity
from unblur.numerics.pyramid import RATIO, odd, rescale_kernel, shrink_image
from unblur_classic.map.preprocessing import EstimationInput
from unblur_classic.map.scoring import sparsity_of
from unblur_classic.map.search.hypotheses import HYPOTHESES, STRONG_HYPOTHESES, Hypothesis
from unblur_classic.map.search.light_streaks import find_light_streaks
from unblur_classic.map.search.search_track import COARSEST_SIZE, SearchTrack, support_extent

MAX_SIZE = 133
"""Largest extent of a kernel that is searched for, in pixels."""
MIN_SIDE = 8
"""Smallest side of an image in which a kernel is searched for, in pixels."""
COARSEST_SIDES, FURTHER_SIDE = (0, 80), 40
"""Smallest sides of the image at the coarsest level, and one that is tried as well if their best
kernel is doubtful, in pixels. Of a small image a coarse level may show nothing of the scene, and of
a large one a finer level may be too fine to begin with."""
DOUBTFUL_SPARSITY, DOUBTFUL_AGREEMENT = -0.2, 0.8
"""Sparsity above which, and agreement below which, the best kernel is doubtful; see `FoundKernel`,
dimensionless. Above that sparsity the image is still blurred, and `STRONG_HYPOTHESES` follow."""
MIN_FURTHER_SIDE = 160
"""Smallest side of an image in which `FURTHER_SIDE` is tried, in pixels; a smaller one has few
levels. In an image of more than 640 pixels it leads to a level where alternations have started
already."""
UNLIKE_KERNEL, CLOSE_SPARSITY = 0.9, 0.1
"""Similarity below which kernels are unlike, and difference of the logarithm of the normalised
sparsity up to which another kernel is nearly as good as the best one, dimensionless."""
MAX_ALTERNATIVES = 4
"""Largest number of a search's kernels beside the best one, a count."""
FINAL_MARGIN, FINAL_PADDING = 1.2, 1
"""Extent that a search returns: factor on the support of its kernel, and pixels added to that."""


@dataclass(frozen=True)
class FoundKernel:
    """The kernel that a search found.

    Attributes
    ----------
    kernel : (n, n)
        At the level where the search ended.
    ratio : float
        Size of that level relative to the full one, at most 1.
    hypothesis : Hypothesis
        The one that found it.
    sparsity : float
        Logarithm of the normalised sparsity of the image that it restores at that level, relative
        to the blurred image's, raised by much negative light (`sparsity_score`); negative where the
        restored image is sharper.
    agreement : float
        Mean similarity of the kernels of all alternations with it, in [0, 1].
    is_streak : bool
        Whether the kernel is the shape of the image's light streaks.
    alternatives : tuple of FoundKernel
        The best of the kernels that are unlike it and each other, the one of the sparsest image
        first; streaks have none.
    """

    kernel: Tensor
    ratio: float
    hypothesis: Hypothesis
    sparsity: float
    agreement: float
    is_streak: bool = False
    alternatives: tuple[FoundKernel, ...] = ()

    @property
    def size(self) -> int:
        """Odd extent in pixels at full size that holds the kernel."""
        return odd(ceil(FINAL_MARGIN * support_extent(self.kernel) / self.ratio) + FINAL_PADDING)

    @property
    def has_rival(self) -> bool:
        """Whether the best alternative is nearly as good."""
        return any(f.sparsity < self.sparsity + CLOSE_SPARSITY for f in self.alternatives[:1])


def search_kernel(
    given: EstimationInput,
    context: Context,
    size: int | None = None,
    hypotheses: Sequence[Hypothesis] = HYPOTHESES,
) -> FoundKernel:
    """Return the best kernel of several alternations at the level where it measures 14 pixels.

    Parameters
    ----------
    given : EstimationInput
        The image, its valid pixels and noise.
    context : Context
        Progress and cancellation.
    size : int, optional
        Largest extent of the kernel, in pixels, where it is known; otherwise up to `MAX_SIZE`, and
        at most half the image, is searched.
    hypotheses : sequence of Hypothesis
        The alternations.

    Notes
    -----
    All alternations start with a kernel of 7 pixels, each hypothesis at a level where the largest
    kernel measures 7 and, if the extent is not known, at a finer one, and between these two if the
    best kernel is doubtful. From level to level the kernel becomes 1.3 times as large as the
    support that was found, so that it grows as the blur is resolved, or shrinks. Where no blur was
    found the next level starts anew. An alternation ends when its support measures 14 pixels, in an
    image of ten times that, or at full size. Alternations of one hypothesis that have come to the
    same kernel go on as one. Where even the best kernel hardly sharpens the image, the strong
    hypotheses (`STRONG_HYPOTHESES`) follow from the coarsest level; a kernel of theirs replaces
    the best one only where it restores a clearly sparser image (`CLOSE_SPARSITY`), and is never its
    alternative. The common shape of light streaks, if the image has any (`find_light_streaks`), is
    one more kernel, and preferred if it is nearly as good as the best: the one whose restored image
    has the least normalised sparsity, raised by much negative light (`sparsity_score`).
    """
    side = min(given.y.shape)
    if side < MIN_SIDE:
        raise ImageError(
            f"an image of {tuple(given.y.shape)} pixels is too small to estimate a kernel from; it "
            f"takes {MIN_SIDE} pixels along each axis. Give the kernel, or a larger image."
        )
    max_size = max(min(size or MAX_SIZE, side // 2), 3)
    sides = COARSEST_SIDES if size is None else COARSEST_SIDES[:1]
    starts = sorted({_first_level(max_size, s / side) for s in sides})
    tracks = _run_tracks(starts, given, context, hypotheses, max_size)
    streak = find_light_streaks(given.y, max_size)
    if streak is not None:
        tracks.append(SearchTrack.of_streaks(streak, hypotheses[0], given, context))
    best = _best_of(tracks, context)
    is_doubtful = best.sparsity > DOUBTFUL_SPARSITY or best.agreement < DOUBTFUL_AGREEMENT
    further = _first_level(max_size, FURTHER_SIDE / side)
    is_new = further not in starts
    if size is None and is_doubtful and is_new and side >= MIN_FURTHER_SIDE:
        more = _run_tracks([further], given, context, hypotheses, max_size)
        best = _best_of(_without_duplicates(tracks + more), context)
    if best.sparsity <= DOUBTFUL_SPARSITY:
        return best
    strong = _run_tracks(starts[-1:], given, context, STRONG_HYPOTHESES, max_size)
    best_strong = _best_of(strong, context)
    return best_strong if best_strong.sparsity < best.sparsity - CLOSE_SPARSITY else best


def _run_tracks(
    starts: Sequence[int],
    given: EstimationInput,
    context: Context,
    hypotheses: Sequence[Hypothesis],
    max_size: int,
) -> list[SearchTrack]:
    """Return the alternations that start at some levels, run to their end."""
    tracks = [SearchTrack(h, n, given, context, max_size) for n in starts for h in hypotheses]
    tick = context.ticker("kernel size", starts[-1] + 1)
    for level in range(starts[-1], -1, -1):
        image, valid = (shrink_image(x, RATIO**level) for x in (given.y, given.valid))
        active = [t for t in tracks if t.is_active_at(level)]
        map_on_threads(lambda t: t.run_level(level, image, valid), active, context.device)  # noqa: B023
        tracks = _without_duplicates(tracks)
        tick()
    return tracks


def _best_of(tracks: Sequence[SearchTrack], context: Context) -> FoundKernel:
    """Return the kernel whose restored image has the least normalised sparsity."""
    scores = map_on_threads(lambda t: t.score, tracks, context.device)
    ranked = sorted(((score if isfinite(score) else inf, i) for i, score in enumerate(scores)))
    found = [_found(tracks[i], score, tracks) for score, i in ranked]
    best = found[0]
    streak = next((f for f in found if f.is_streak), None)
    if streak is not None and streak.sparsity < best.sparsity + CLOSE_SPARSITY:
        return streak
    unlike = [best]
    for other in found[1:]:
        if isfinite(other.sparsity) and all(_is_unlike(other, kept) for kept in unlike):
            unlike.append(other)
    return replace(best, alternatives=tuple(unlike[1 : MAX_ALTERNATIVES + 1]))


def _found(track: SearchTrack, score: float, tracks: Sequence[SearchTrack]) -> FoundKernel:
    """Return the kernel of a track, of which the restored image has a normalised sparsity."""
    total = sum(t.count for t in tracks)
    return FoundKernel(
        track.kernel,
        track.ratio,
        track.hypothesis,
        sparsity=log(score / sparsity_of(track.window[0], track.kernel)),
        agreement=sum(t.count * _similarity_of(t, track) for t in tracks) / total,
        is_streak=track.is_streak,
    )


def _is_unlike(found: FoundKernel, other: FoundKernel) -> bool:
    return _similarity_of(found, other) < UNLIKE_KERNEL


def _similarity_of(track: SearchTrack | FoundKernel, other: SearchTrack | FoundKernel) -> float:
    return similarity_across_scales(track.kernel, track.ratio, other.kernel, other.ratio)


def similarity_across_scales(a: Tensor, ratio_a: float, b: Tensor, ratio_b: float) -> float:
    """Return the similarity of kernels at two levels, compared at the coarser one, in [0, 1].

    Parameters
    ----------
    a, b : (n, n)
        Kernels.
    ratio_a, ratio_b : float
        Size of the image at the level of each, relative to the full one.
    """
    ratio = min(ratio_a, ratio_b)
    pair = (_at_ratio(k, r, ratio) for k, r in ((a, ratio_a), (b, ratio_b)))
    return kernel_similarity(*(k.cpu().numpy() for k in pair))


def _at_ratio(kernel: Tensor, ratio: float, coarser: float) -> Tensor:
    if coarser == ratio:
        return kernel
    size = odd(int(kernel.shape[-1] * coarser / ratio) + 3)
    return rescale_kernel(kernel, size, coarser / ratio)


def _first_level(max_size: int, ratio: float) -> int:
    """Return the number of the level at which a kernel of `max_size` measures `COARSEST_SIZE`.

    It is a finer one where that is below a ratio of the full size, the level 0.
    """
    lowest = min(max(COARSEST_SIZE / max_size, ratio), 1.0)
    return max(floor(log(lowest) / log(RATIO)), 0)


def _without_duplicates(tracks: Sequence[SearchTrack]) -> list[SearchTrack]:
    """Return the tracks, of those that have come to the same kernel only the first."""
    kept: list[SearchTrack] = []
    for track in tracks:
        same = next((t for t in kept if track.is_same_as(t)), None)
        if same is None:
            kept.append(track)
        else:
            same.count += track.count
    return kept
