"""Blind estimation of camera motion with rotation in the image plane and shifts."""

from __future__ import annotations

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from unblur.accel.parallel import one_thread_if_small
from unblur.model import stages
from unblur.model.context import Context
from unblur.model.params import KernelSize
from unblur.model.stages import Estimate
from unblur.numerics.camera import PoseGrid, camera_field, zero_mean_rotation
from unblur.numerics.statistics import l0_weight_for_noise
from unblur_classic.camera_shake.initialization import initial_poses
from unblur_classic.camera_shake.model import CameraModel
from unblur_classic.map.alternating import MAX_UNSCALED_L0_WEIGHT
from unblur_classic.map.estimator import RESULT_THRESHOLD
from unblur_classic.map.kernel_size import resolve_kernel_size
from unblur_classic.map.latent_update import weighted_priors
from unblur_classic.map.params import BlindParams
from unblur_classic.map.preprocessing import EstimationInput, preprocess
from unblur_classic.map.scale_state import ScaleState, embed

LAST_PENALTY = 6.0
"""Last penalty of the latent updates, relative to the squared residual; with larger ones the
latent images lose the details that determine small rotations."""


class CameraShake(stages.KernelEstimator):
    """Kernels that vary over the image, of the weights of a shaking camera's poses.

    A local estimator finds a kernel in each of nine parts of the image. The weights of the camera
    poses (shifts in the image plane and rotations about its centre) whose kernels are nearest to
    those are then refined by alternating minimisation with the latent image (Eqs. 14 to 17)::

        |sum_t w_t H_t x - y|^2 + sum_j weight_j prior_j(x),    w_t >= 0, sum_t w_t = 1

    It assumes a static scene, and edges in several directions all over the image.

    Parameters
    ----------
    params : Params or mapping, optional
        See `CameraShake.Params`.

    Notes
    -----
    The image is divided into patches that overlap by half. Within one, the blur is taken as that
    of its centre (the fast forward approximation), so that each patch has a latent image of its
    own, as in `map`; the pose weights are one non-negative least-squares fit to the gradients of
    all of them (see `CameraModel`). Only poses whose blur stays within the kernel size everywhere
    in the image are admitted.

    Alternating minimisation alone, from a camera at rest, converges to rotations concentrated
    about 0, whatever the motion was. Local kernels are estimated independently and do not have
    this bias.

    The kernels of the field are spaced as closely as their variation requires. The mean rotation
    is 0, so that the sharp image is aligned with the blurred one.

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
    summary = "MAP over camera poses, from local kernels; for a shake that rotates the camera too."
    cites = "L. Li et al., Learning a Discriminative Prior for Blind Image Deblurring, CVPR 2018"

    region = 2048

    class Params(BlindParams):
        """Settings of MAP estimation over camera poses."""

        size: KernelSize = Field(
            31,
            description="Extent of the kernel in pixels, 3 to 199, at least that of the blur in "
            "every corner, or auto for an estimate on the whole image.",
        )
        local_estimator: str = Field(
            "schuler",
            description="Estimator of the local kernels of the initialisation: schuler, map, or "
            "any other with a param size.",
        )
        refinements: int = Field(
            15, ge=0, le=100, description="Iterations of latent images and poses after that."
        )
        max_rotation_deg: float = Field(
            3.0,
            ge=0,
            le=45,
            description="Largest rotation of the camera to either side, in degrees, as far as the "
            "kernel size admits its blur in the corners; 0 for shifts alone.",
        )

    def estimate(self, blurred: Tensor, context: Context, mask: Tensor | None = None) -> Estimate:
        """Return the field of kernels, without the latent image; see `KernelEstimator`."""
        p = self.params
        given = preprocess(blurred, context, mask, p.median)
        size = resolve_kernel_size(p.size, given, context)
        grid = PoseGrid.over(tuple(given.y.shape), size, float(np.deg2rad(p.max_rotation_deg)))
        with one_thread_if_small(given.y.numel()):
            weights = initial_poses(given, grid, p.local_estimator, context)
            weights = self._refine(weights, given, CameraModel(grid, given.y), context)
        weights = torch.where(weights < RESULT_THRESHOLD * weights.max(), 0, weights)
        return Estimate(camera_field(*zero_mean_rotation(grid, weights)))

    def _refine(
        self, weights: Tensor, given: EstimationInput, model: CameraModel, context: Context
    ) -> Tensor:
        """Return the weights (A, n, n) after alternating latent and pose updates."""
        factor = max(l0_weight_for_noise(given.noise) / MAX_UNSCALED_L0_WEIGHT, 1.0)
        priors = [prior.scaled(factor) for prior in weighted_priors(self.params.priors)]
        state = ScaleState.of(model.grid.size, model.extract(given.y), model.extract(given.valid))
        window = embed(model.window, state.scene.shape[-2:], model.grid.size)
        for _ in context.track(range(self.params.refinements), self.name):
            kernels = model.kernels(weights)
            sharp, blurred = state.update(kernels, priors, last_penalty=LAST_PENALTY)
            weights = model.fit(weights, window * sharp, window * blurred, given.noise)
        return weights
