"""The discriminative prior: a classifier of blurred and sharp images, used inside MAP.

L. Li, J. Pan, W.-S. Lai, C. Gao, N. Sang, M.-H. Yang, "Learning a discriminative prior for blind
image deblurring", CVPR 2018. The widths of the network, noise in both images of a training pair
and the choice between kernels by the classifier are not in the paper.

Symbols
-------
========  =============  ===========  ============================================
symbol    name in code   equation     function
========  =============  ===========  ============================================
f         energy         Li Eq. 11    prior.Discriminative.energy
u         u              Li Eq. 12    prior.Discriminative.proximal
I         x              Li Eq. 12    prior.Discriminative.proximal
eta       rate           Li Eq. 12    prior.Discriminative.proximal
lambda    step           Li Eq. 12    prior.Discriminative.proximal
df/du     gradient       Li Eq. 12    prior.Discriminative.proximal
L         cross_entropy  Li Eq. 3     training.cross_entropy
y_i       log_odds       Li Eq. 3     training.cross_entropy
C_1-C_9   layers         Li Sec. 3.2  network.Classifier
========  =============  ===========  ============================================
"""

from __future__ import annotations

from collections.abc import Iterable

from unblur.plugins.markers import hook
from unblur.plugins.references import StageReference, TrainerReference


@hook
def unblur_stages() -> Iterable[StageReference]:
    """Register the prior."""
    return [StageReference("prior", "discriminative", "unblur_discriminative.prior:Discriminative")]


@hook
def unblur_trainers() -> Iterable[TrainerReference]:
    """Register the training of its classifier."""
    return [
        TrainerReference("discriminative", "unblur_discriminative.training:DiscriminativeTrainer")
    ]
