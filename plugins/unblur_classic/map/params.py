"""Params of the estimators that alternate between latent image and blur."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from unblur.model import stages
from unblur.model.params import KernelSize, PriorChoice


class BlindParams(stages.Params):
    """Settings of alternating estimation."""

    size: KernelSize = Field(
        "auto",
        description="Extent of the kernel in pixels, 3 to 199, which must hold all of the "
        "blur; auto searches for it. It is at most half the image.",
    )
    priors: tuple[PriorChoice, ...] = Field(
        (PriorChoice(prior="l0-gradient", weight=4e-3),),
        min_length=1,
        description="Priors on the latent image, each with its weight relative to the squared "
        "residual of an image of contrast 0.16.",
    )
    median: Literal[1, 3, 5] = Field(
        1,
        description="Extent in pixels of a median filter before the estimate; 3 removes "
        "salt-and-pepper noise, 1 does nothing.",
    )
