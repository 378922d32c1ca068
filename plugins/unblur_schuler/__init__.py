"""Blind kernel estimation by a trained network, after Learning to Deblur.

C. J. Schuler, M. Hirsch, S. Harmeling, B. Schoelkopf, "Learning to deblur", IEEE TPAMI 38(7), 2016.

The paper's: `paper_network` (architecture), `quotient` (quotient layers), and in `training` its
kernels, its rejection of flat crops and its staged curriculum. Ours: `our_network` (the default
network), `refinement` and `l0_images` (the last iterations, without a network), `windows` (which
windows are used), `size_search` (kernel size), and in `training` the losses and other curricula.

Symbols
-------
=========  ==============  ===============  =====================================
symbol     name in code    equation         function
=========  ==============  ===============  =====================================
f_j        filters         Schuler Eq. 2    paper_network.Features
alpha_ij   last            Schuler Eq. 2    paper_network.Features.forward
x_i, y_i   sharp, blurred  Schuler Eq. 4    quotient.Spectra.of
k          cross, power    Schuler Eq. 4    quotient.Spectra.kernel
beta_k     ridge           Schuler Eq. 4    quotient.Spectra.kernel
x          latent          Schuler Eq. 5    quotient.image_quotient
beta_x     weights         Schuler Eq. 5    quotient.image_quotient
k(t, t')   draw            Schuler Eq. 6    training.training_samples.draw_kernel
=========  ==============  ===============  =====================================
"""

from __future__ import annotations

from collections.abc import Iterable

from unblur.plugins.markers import hook
from unblur.plugins.references import StageReference, TrainerReference


@hook
def unblur_stages() -> Iterable[StageReference]:
    """Register the kernel estimator."""
    return [StageReference("kernel", "schuler", "unblur_schuler.stage:Schuler")]


@hook
def unblur_trainers() -> Iterable[TrainerReference]:
    """Register the training of its weights."""
    return [TrainerReference("schuler", "unblur_schuler.training.trainer:SchulerTrainer")]
