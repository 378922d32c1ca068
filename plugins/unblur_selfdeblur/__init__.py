"""Blind deconvolution by two untrained networks that generate the image and its kernel.

D. Ren, K. Zhang, Q. Wang, Q. Hu, W. Zuo, "Neural blind deconvolution using deep priors", CVPR
2020. The early end of an optimisation, the choice between seeds and the crop to a region are not
in the paper.

Symbols
-------
===========  ===================  ================  ====================================
symbol       name in code         equation          function
===========  ===================  ================  ====================================
G_x          image_net            Ren Sec. 3.2      networks.generators.Generators
G_k          kernel_net           Ren Sec. 3.2      networks.generators.Generators
z_x          image_noise          Ren Eq. 5         networks.generators.Generators.scene
z_k          kernel_noise         Ren Eq. 5         networks.generators.Generators.kernel
G_k * G_x    kernel, scene        Ren Eq. 5         loss_terms.blur_valid
y            blurred              Ren Eq. 6         optimisation.Observation.data_loss
TV(G_x)      x                    Ren Eq. 6         loss_terms.total_variation
lambda       TV_WEIGHT_PER_NOISE  Ren Eq. 6         stage.SelfDeblur._schedule
sigma        noise                Ren Eq. 6         stage.SelfDeblur._schedule
T            iterations           Ren Algorithm 2   optimisation.optimise
===========  ===================  ================  ====================================
"""

from __future__ import annotations

from collections.abc import Iterable

from unblur.plugins.markers import hook
from unblur.plugins.references import StageReference


@hook
def unblur_stages() -> Iterable[StageReference]:
    """Register the estimator."""
    return [StageReference("kernel", "selfdeblur", "unblur_selfdeblur.stage:SelfDeblur")]
