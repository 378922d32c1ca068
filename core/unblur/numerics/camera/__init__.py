"""Blur of a moving camera: its poses, the local kernels of these poses, and fits between the two.

One basis serves the synthesis of shaken images, the projection of local kernels onto a camera
motion, and the estimation of that motion.
"""

from unblur.numerics.camera.basis import CameraBasis, camera_field, zero_mean_rotation
from unblur.numerics.camera.poses import PoseGrid, rotation
from unblur.numerics.camera.projection import pose_support, project_kernels

__all__ = [
    "CameraBasis",
    "PoseGrid",
    "camera_field",
    "pose_support",
    "project_kernels",
    "rotation",
    "zero_mean_rotation",
]
