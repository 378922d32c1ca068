"""Spatially-variant MAP deconvolution: data term and regulariser learned for every pixel.

J. Dong, S. Roth, B. Schiele, "Learning spatially-variant MAP models for non-blind image
deblurring", CVPR 2021. The noise level as an input, the hyper-Laplacian factor of the regulariser,
the mask of saturated pixels and the preconditioner are not in the paper.

Symbols
-------
========  ===================  =============  ====================================
symbol    name in code         equation       function
========  ===================  =============  ====================================
y         y                    Dong Eq. 12    model.solve
K         blur                 Dong Eq. 12    model.solve
x         x                    Dong Eq. 12    model.solve
F         f                    Dong Eq. 12    model.normal
G         g                    Dong Eq. 12    model.normal
f_i,p     data                 Dong Eq. 7     model.SpatiallyVariantMap
g_j,p     regularisers         Dong Eq. 9     model.SpatiallyVariantMap
omega     hyper_laplacian      Dong Eq. 11    banks.hyper_laplacian
N_f, N_g  FilterNetwork        Dong Sec. 3.3  networks.FilterNetwork
L         loss, errors         Dong Eq. 10    training.trainer.SvmapTrainer.loss
========  ===================  =============  ====================================
"""

from __future__ import annotations

from collections.abc import Iterable

from unblur.plugins.markers import hook
from unblur.plugins.references import StageReference, TrainerReference


@hook
def unblur_stages() -> Iterable[StageReference]:
    """Register the deconvolver."""
    return [StageReference("deconvolve", "svmap", "unblur_svmap.stage:Svmap")]


@hook
def unblur_trainers() -> Iterable[TrainerReference]:
    """Register the training of its weights."""
    return [TrainerReference("svmap", "unblur_svmap.training.trainer:SvmapTrainer")]
