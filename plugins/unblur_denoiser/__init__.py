"""A denoising network as a prior, and plug-and-play deconvolution with it.

K. Zhang et al., "Plug-and-play image restoration with deep denoiser prior", IEEE TPAMI 44(10),
2022. The schedule by rule, the border, the lower bounds of clipped pixels and the network are not
in the paper.
"""

from __future__ import annotations

from collections.abc import Iterable

from unblur.plugins.markers import hook
from unblur.plugins.references import StageReference, TrainerReference


@hook
def unblur_stages() -> Iterable[StageReference]:
    """Register the prior and the deconvolver."""
    return [
        StageReference("prior", "denoiser", "unblur_denoiser.denoiser_prior:DenoiserPrior"),
        StageReference("deconvolve", "plug-and-play", "unblur_denoiser.stage:PlugAndPlay"),
    ]


@hook
def unblur_trainers() -> Iterable[TrainerReference]:
    """Register the training of the weights of both."""
    folder = "unblur_denoiser.training"
    return [
        TrainerReference("denoiser", f"{folder}.trainer:DenoiserTrainer"),
        TrainerReference("plug-and-play", f"{folder}.unrolled_trainer:UnrolledTrainer"),
    ]
