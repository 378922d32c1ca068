"""Metrics against the truth (PSNR, SSIM, Levin's protocol, kernel similarity), and resolution.

Images are numpy arrays or torch tensors (..., *spatial) with white = 1; leading axes (channels,
batches) are averaged over. Every metric is computed in float64 and returned as a plain float.
"""

from unblur.numerics.metrics.fidelity import psnr, ssim, ssim_map
from unblur.numerics.metrics.ring_correlation import (
    RingCorrelation,
    SplitResolution,
    ring_correlation,
    split_noise,
    split_resolution,
)
from unblur.numerics.metrics.shift_aligned import AlignedScore, error_ratio, levin_aligned
from unblur.numerics.metrics.similarity import kernel_similarity

__all__ = [
    "AlignedScore",
    "RingCorrelation",
    "SplitResolution",
    "error_ratio",
    "kernel_similarity",
    "levin_aligned",
    "psnr",
    "ring_correlation",
    "split_noise",
    "split_resolution",
    "ssim",
    "ssim_map",
]
