"""Settings that all estimators share which find latent image and blur in turns."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from unblur.model import stages
from unblur.model.stages import PriorChoice


class BlindParams(stages.Params):
    """Settings of every alternation."""

    size: Literal["auto"] | Annotated[int, Field(ge=3, le=199)] = Field(
        "auto",
        description="Extent of the frame of the kernel in pixels, 3 to 199, which must hold "
        "all of the blur, or auto for what a first look at half the image's size finds; the "
        "image measures at least twice as much.",
    )
    priors: tuple[PriorChoice, ...] = Field(
        (PriorChoice(prior="l0-gradient", weight=4e-3),),
        min_length=1,
        description="Priors on the latent image, each with its weight against the squared "
        "residual of an image of contrast 0.16.",
    )
    median: Literal[1, 3, 5] = Field(
        1,
        description="Edge in pixels of a median filter before the estimate; 3 takes out "
        "salt-and-pepper noise, 1 does nothing.",
    )
