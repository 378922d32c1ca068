"""Metrics against the truth: PSNR, SSIM, Levin's aligned protocol, kernel similarity.

Images are numpy arrays or torch tensors (..., *spatial) with white = 1; leading axes (channels,
batches) are averaged over. Every metric is computed in float64 and returned as a plain float.
"""

from unblur.numerics.metrics.fidelity import psnr, ssim, ssim_map
from unblur.numerics.metrics.shift_aligned import AlignedScore, error_ratio, levin_aligned
from unblur.numerics.metrics.similarity import kernel_similarity

__all__ = [
    "AlignedScore",
    "error_ratio",
    "kernel_similarity",
    "levin_aligned",
    "psnr",
    "ssim",
    "ssim_map",
]
