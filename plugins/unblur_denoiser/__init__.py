"""A denoising network as a prior, and plug-and-play deconvolution with it.

K. Zhang et al., "Plug-and-play image restoration with deep denoiser prior", IEEE TPAMI 44(10),
2022. The schedule by rule, the border, the lower bounds of clipped pixels and the network are not
in the paper.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from unblur.plugins.markers import hook

if TYPE_CHECKING:
    from unblur.model.stages import Stage
    from unblur.training import Trainer


@hook
def unblur_stages() -> Iterable[type[Stage]]:
    """Register the prior and the deconvolver."""
    from unblur_denoiser.denoiser_prior import DenoiserPrior
    from unblur_denoiser.stage import PlugAndPlay

    return [DenoiserPrior, PlugAndPlay]


@hook
def unblur_trainers() -> Iterable[type[Trainer]]:
    """Register the training of its weights."""
    from unblur_denoiser.training.trainer import DenoiserTrainer

    return [DenoiserTrainer]
