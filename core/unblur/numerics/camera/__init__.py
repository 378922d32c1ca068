"""Blur that a moving camera makes: poses, the kernels they make, and fits of the one to the other.

One basis serves whatever knows blur by its poses: shaken images made to order, local kernels that
are made to fit a motion, and an estimator of the motion itself.
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
