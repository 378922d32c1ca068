"""Blind estimation of the motion of a camera that turns as well as shifts."""

from __future__ import annotations

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from unblur.model import stages
from unblur.model.context import Context
from unblur.model.params import KernelSize
from unblur.model.stages import Estimate
from unblur.numerics.camera import PoseGrid, camera_field, zero_mean_rotation
from unblur.numerics.contrast import price_against
from unblur_classic.camera_shake.initialization import first_poses
from unblur_classic.camera_shake.model import CameraModel
from unblur_classic.map.alternating import EASY_PRICE, Level, placed
from unblur_classic.map.estimator import LEAST, weighted
from unblur_classic.map.params import BlindParams
from unblur_classic.map.preprocessing import Prepared, prepared

SOFT = 6.0
"""Last penalty of the latent images: stricter ones have lost what tells small turns."""


class CameraShake(stages.KernelEstimator):
    """Kernels that differ from place to place as the poses of one shaking camera make them.

    Another estimator, the scout, finds a kernel in each of nine parts of the image. The camera
    poses whose kernels are nearest to those, shifts in the image plane and turns about its
    middle, are then refined in turns with the latent image (Eqs. 14 to 17)::

        |sum_t w_t H_t x - y|^2 + sum_j weight_j prior_j(x),    w_t >= 0, sum_t w_t = 1

    It assumes that the subject keeps still, and edges in several directions all over the image.

    Parameters
    ----------
    params : Params or mapping, optional
        See `CameraShake.Params`.

    Notes
    -----
    The image is cut into pieces that overlap by half. Within one, the blur is taken for that of
    its middle (the fast forward approximation), so that each piece has a latent image of its own,
    as in `map`; the poses are one non-negative least-squares fit to the gradients of all of them
    (see `CameraModel`). Only poses that keep the blur of every place within the frame are admitted.

    The turns alone, from a camera at rest, end at angles gathered about the middle, whatever the
    motion was. Kernels that were found apart know nothing of each other, but each is free of that.

    The field has its kernels at places as close as their change asks for. The mean of the angles
    is 0, so that the sharp image lies as the blurred one does.

    Examples
    --------
    >>> from unblur.model.context import Context
    >>> from unblur.numerics.metrics import kernel_similarity
    >>> from unblur.testing import gaussian, synthetic_scene
    >>> given = synthetic_scene((96, 96), gaussian((9, 9), 1.5))
    >>> estimate = CameraShake(size=9, max_rotation_deg=0).estimate(given.blurred, Context())
    >>> kernel_similarity(estimate.kernel.weights, given.kernel.weights) > 0.8
    True

    References
    ----------
    L. Li et al., "Learning a discriminative prior for blind image deblurring", CVPR 2018,
    section 5. O. Whyte et al., "Non-uniform deblurring for shaken images", IJCV 98, 2012.
    M. Hirsch, C. J. Schuler, S. Harmeling, B. Schoelkopf, "Fast removal of non-uniform camera
    shake", ICCV 2011.
    """

    name = "camera-shake"
    summary = "MAP over camera poses, from local kernels; for a shake that turns the camera too."
    cites = "L. Li et al., Learning a Discriminative Prior for Blind Image Deblurring, CVPR 2018"

    region = 2048

    class Params(BlindParams):
        """Settings of MAP estimation, and how far the camera may turn."""

        size: KernelSize = Field(
            31,
            description="Extent of the frame of the kernel in pixels, 3 to 199, which must hold "
            "the blur in every corner, or auto for that of the whole.",
        )
        local_estimator: str = Field(
            "schuler",
            description="Estimator that finds the local kernels to begin with: schuler, map, or "
            "any other with a param size.",
        )
        refinements: int = Field(
            15, ge=0, le=100, description="Turns of latent image and poses after that."
        )
        max_rotation_deg: float = Field(
            3.0,
            ge=0,
            le=45,
            description="Largest angle of the camera to either side, in degrees, as far as the "
            "frame of the kernel holds what it does to the corners; 0 is no turn at all.",
        )

    def estimate(self, blurred: Tensor, context: Context, mask: Tensor | None = None) -> Estimate:
        """Return the field of kernels, without the latent image; see `KernelEstimator`."""
        p = self.params
        given = prepared(blurred, context, mask, p)
        grid = PoseGrid.over(
            tuple(given.y.shape), given.size, float(np.deg2rad(p.max_rotation_deg))
        )
        weights = first_poses(given, grid, p.local_estimator, context)
        weights = self._refined(weights, given, CameraModel(grid, given.y), context)
        weights = torch.where(weights < LEAST * weights.max(), 0, weights)
        return Estimate(camera_field(*zero_mean_rotation(grid, weights)))

    def _refined(
        self, weights: Tensor, given: Prepared, model: CameraModel, context: Context
    ) -> Tensor:
        """Return the weights (A, n, n) after turns of latent images and poses."""
        stricter = max(price_against(given.noise) / EASY_PRICE, 1.0)
        priors = [prior.lightened(stricter) for prior in weighted(self.params.priors)]
        level = Level.of(given.size, model.pieces(given.y), model.pieces(given.trusted))
        window = placed(model.fade, level.scene.shape[-2:], given.size)
        for _ in context.track(range(self.params.refinements), self.name):
            sharp, seen = level.slopes(model.kernels(weights), priors, last=SOFT)
            weights = model.fitted(weights, window * sharp, window * seen, given.noise)
        return weights
