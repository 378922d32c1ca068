"""Blind estimation of the motion of a camera that turns as well as shifts."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from unblur import stages
from unblur.camera import camera_field, levelled
from unblur.context import Context
from unblur.pyramid import scales
from unblur.stages import Estimate
from unblur_classic.alternation import alternate
from unblur_classic.camera_model import CameraModel
from unblur_classic.map_estimator import LEAST, weighted
from unblur_classic.map_params import AlternationParams
from unblur_classic.preparation import prepared


class CameraShake(stages.KernelEstimator):
    """Kernels that differ from place to place as the poses of one shaking camera make them.

    As `map`, but what is sought in turns with the latent image are the weights of camera poses:
    shifts in the image plane and turns about its middle (Eqs. 14 to 17)::

        |sum_t w_t H_t x - y|^2 + sum_j weight_j prior_j(x),    w_t >= 0, sum_t w_t = 1

    It assumes that the subject keeps still, and edges in several directions all over the image.

    Parameters
    ----------
    params : Params or mapping, optional
        See `CameraShake.Params`.

    Notes
    -----
    The image is cut into pieces of about three kernels' width. Within one, the blur is taken for
    that of its middle (the fast forward approximation), so that each piece has a latent image of
    its own, as in `map`; the poses are one non-negative least-squares fit to the gradients of all
    of them. Only poses that keep the blur of every place within the frame are admitted.

    The field has its kernels at places as close as their change asks for. The mean of the angles
    is 0, so that the sharp image lies as the blurred one does.

    Examples
    --------
    >>> from unblur.context import Context
    >>> from unblur.metrics import kernel_similarity
    >>> from unblur.testing import gaussian, scene
    >>> given = scene((96, 96), gaussian((9, 9), 1.5))
    >>> estimate = CameraShake(size=9, turn=0).estimate(given.blurred, Context())
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
    summary = "Coarse-to-fine MAP over camera poses; for a shake that turns the camera too."
    cites = "L. Li et al., Learning a Discriminative Prior for Blind Image Deblurring, CVPR 2018"

    region = 2048

    class Params(AlternationParams):
        """Settings of MAP estimation, and how far the camera may turn."""

        size: Literal["auto"] | Annotated[int, Field(ge=3, le=199)] = Field(
            31,
            description="Extent of the frame of the kernel in pixels, 3 to 199, which must hold "
            "the blur in every corner, or auto for that of the whole.",
        )
        refinements: int = Field(
            5, ge=0, le=100, description="Further turns at full size, with falling weights."
        )
        ridge: float = Field(
            0.25, ge=0, le=100, description="Weight of the squared kernels; more is smoother."
        )
        turn: float = Field(
            3.0,
            ge=0,
            le=45,
            description="Largest angle of the camera to either side, in degrees, as far as the "
            "frame of the kernel holds what it does to the corners; 0 is no turn at all.",
        )

    def estimate(self, blurred: Tensor, context: Context, mask: Tensor | None = None) -> Estimate:
        """Return the field of kernels, without the latent image; see `KernelEstimator`."""
        given = prepared(blurred, context, mask, self.params)
        rows, columns = given.y.shape
        model = CameraModel((rows, columns), given.size, float(np.deg2rad(self.params.turn)))
        levels = scales(given.size)
        tick = context.ticker(
            self.name, self.params.iterations * len(levels) + self.params.refinements
        )
        priors = weighted(self.params.priors)
        weights = alternate(given, model, levels, priors, self.params, tick)
        weights = torch.where(weights < LEAST * weights.max(), 0, weights)
        return Estimate(camera_field(*levelled(model.grid(levels[-1]), weights)))
