"""Confidence in a blind kernel: the probability that it improves the image."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from math import exp, isfinite, log

from torch import Tensor

from unblur_classic.map.preprocessing import EstimationInput
from unblur_classic.map.search.kernel_search import FoundKernel, similarity_across_scales
from unblur_classic.map.search.search_track import (
    SUPPORT_THRESHOLD,
    support_extent,
    textured_window,
)
from unblur_classic.map.search.spectrum_agreement import spectrum_agreement

MIN_WINDOW, WINDOW_SIZES = 256, 4
"""Smallest edge of the window that is measured, in pixels, and its edge in extents of the kernel,
dimensionless."""
TYPICAL_GAIN = 2.0
"""Gain that is assumed where an image is too small for a prediction, in decibels."""
LEAST_NEGATIVE, TYPICAL_NEGATIVE = 0.003, 0.001
"""Negative light that is added before its logarithm is taken, and that which is assumed where black
is not known, in units of the blurred image's contrast."""
WEIGHTS = (5.55, 5.973, 1.622, -1.825, 0.2352)
"""Weight of each measure of `Evidence`, per its unit; fitted by `benchmarks/confidence.py` to the
first kernels of Kodak's and BSD's tuning halves, before others were refined."""
BIAS = -17.84
"""Log odds of a success where all measures are 0, dimensionless."""


@dataclass(frozen=True)
class Evidence:
    """Measures of a blind estimate from which its confidence follows; most are dimensionless.

    Attributes
    ----------
    spectrum : float
        Correlation of the blurred image's power spectrum with the kernel's; see
        `spectrum_agreement`.
    stability : float
        Similarity of the kernel of the search with the final one.
    area : float
        Logarithm of the number of pixels of the kernel's support, per pixel of its extent. The
        support of a wrong kernel is a few scattered pixels.
    negative : float
        Logarithm of the restored image's negative light, in units of the blurred one's contrast,
        plus `LEAST_NEGATIVE`; see `unblur_classic.map.scoring.negative_light`.
    gain : float
        Gain that a network predicts, in decibels; see `gain_prediction.predict_gain`.
    """

    spectrum: float
    stability: float
    area: float
    negative: float
    gain: float


def measure_evidence(
    given: EstimationInput,
    found: FoundKernel,
    kernel: Tensor,
    negative: float = TYPICAL_NEGATIVE,
    gain: float = TYPICAL_GAIN,
) -> Evidence:
    """Measure the evidence for a kernel.

    Parameters
    ----------
    given : EstimationInput
        The image, of which the most textured window is used.
    found : FoundKernel
        What the search found.
    kernel : (n, n)
        The final kernel.
    negative : float
        Negative light of the image that the kernel restores, in units of the blurred one's
        contrast.
    gain : float
        Gain that is predicted, in decibels; NaN if it is not known.
    """
    y, _ = textured_window(given.y, given.valid, MIN_WINDOW, WINDOW_SIZES * kernel.shape[-1])
    support = int((kernel > SUPPORT_THRESHOLD * kernel.max()).sum())
    return Evidence(
        spectrum=spectrum_agreement(y, kernel, given.noise),
        stability=similarity_across_scales(found.kernel, found.ratio, kernel, 1.0),
        area=log(support / support_extent(kernel)),
        negative=log(LEAST_NEGATIVE + negative),
        gain=gain if isfinite(gain) else TYPICAL_GAIN,
    )


def confidence_of(evidence: Evidence) -> float:
    """Return the probability that the result gains at least 0.5 dB in PSNR, in [0, 1].

    It is 0 where a measure is not finite.
    """
    odds = BIAS + sum(w * x for w, x in zip(WEIGHTS, astuple(evidence), strict=True))
    if not isfinite(odds):
        return 0.0
    return 1 / (1 + exp(-max(min(odds, 50.0), -50.0)))
