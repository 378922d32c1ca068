"""Synthesis of blurred images with known truth: kernels of every kind, and degradations.

Every random draw takes a `torch.Generator`; the same seed gives the same result.
"""

from unblur.numerics.synthesis.camera_motion import camera_path, shake_image
from unblur.numerics.synthesis.degradations import (
    DegradedPair,
    add_gaussian_noise,
    add_poisson_noise,
    blur_image,
    crop_valid,
    saturate,
)
from unblur.numerics.synthesis.lenses import (
    airy_kernel,
    airy_radius,
    disk_kernel,
    gaussian_kernel,
    widefield_kernel,
)
from unblur.numerics.synthesis.motion import (
    gaussian_process_kernel,
    motion_kernel,
    shake_kernel,
    trajectory_kernel,
)

__all__ = [
    "DegradedPair",
    "add_gaussian_noise",
    "add_poisson_noise",
    "airy_kernel",
    "airy_radius",
    "blur_image",
    "camera_path",
    "crop_valid",
    "disk_kernel",
    "gaussian_kernel",
    "gaussian_process_kernel",
    "motion_kernel",
    "saturate",
    "shake_image",
    "shake_kernel",
    "trajectory_kernel",
    "widefield_kernel",
]
