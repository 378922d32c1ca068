"""Blind deconvolution by two untrained networks, coarse to fine and from given initial values.

J. Kotera, F. Sroubek, V. Smidl, "Improving neural blind deconvolution", ICIP 2021. The networks
and their optimisation are those of `unblur_selfdeblur`.

Symbols
-------
=========  ================  =============  =============================================
symbol     name in code      equation       function
=========  ================  =============  =============================================
x_0        scene             Kotera Eq. 8   generator_fit.fit_generators
k_0        kernel            Kotera Eq. 8   generator_fit.fit_generators
theta      network           Kotera Eq. 8   unblur_selfdeblur.initial_kernel.fit_network
sigma      size              Kotera Sec. 3  generator_fit.gaussian_kernel
scale      ratio             Kotera Sec. 3  stage.scale_levels
L          LossPhase         Kotera Eq. 9   stage.Kotera._schedule
alpha_x    tv_weight         Kotera Eq. 9   stage.Kotera._schedule
alpha_k    kernel_l2_weight  Kotera Eq. 9   stage.Kotera._schedule
=========  ================  =============  =============================================
"""

from __future__ import annotations

from collections.abc import Iterable

from unblur.plugins.markers import hook
from unblur.plugins.references import StageReference


@hook
def unblur_stages() -> Iterable[StageReference]:
    """Register the estimator."""
    return [StageReference("kernel", "kotera", "unblur_kotera.stage:Kotera")]
