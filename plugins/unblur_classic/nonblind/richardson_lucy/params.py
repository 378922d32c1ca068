"""The params of Richardson-Lucy."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from unblur.model.params import Params
from unblur_classic.nonblind.richardson_lucy.stopping import Stop


class RichardsonLucyParams(Params):
    """Settings of Richardson-Lucy."""

    iterations: int = Field(
        30,
        ge=1,
        le=10000,
        description="Plain iterations, or those that accelerated steps replace; the largest "
        "number unless stop is fixed.",
    )
    stop: Stop = Field(
        "fixed",
        description="When to stop: fixed, after all iterations; discrepancy, once the residual "
        "is as small as the noise; gradient-consensus, once the gradients of two splits of the "
        "data disagree; local-gradient-consensus, after all iterations, each of which leaves "
        "those pixels as they are where the gradients of two halves of the pixels disagree: a "
        "sky without mottle.",
    )
    initial: Literal["image", "smoothed"] = Field(
        "image",
        description="Scene before the first iteration: the image, or the image smoothed by the "
        "kernel twice, whose noise beyond what the kernel transmits is less; no iteration "
        "changes that.",
    )
    tv: float = Field(0.0, ge=0, lt=0.2, description="Weight of total variation; 0.002 is mild.")
    accelerate: bool = Field(
        True,
        description="Take fewer, larger steps that give the sharpness and noise of that many "
        "iterations: 10 steps for 30 iterations, 18 for 100; of volumes with a compact PSF 5 and "
        "14.",
    )
    back_projector: Literal["adjoint", "wiener-butterworth"] = Field(
        "adjoint",
        description="What carries the quotient back to the scene. wiener-butterworth is a "
        "preview with iterations=2 for compact kernels: not the likelihood's maximum, and no "
        "flux kept.",
    )
    background: Annotated[float, Field(ge=0, lt=1)] | Literal["auto", "map"] = Field(
        0.0,
        description="Background, white = 1: of the sky or the camera's offset. It is kept in "
        "the result, as its lower bound: no dark rings around stars. auto is the first "
        "percentile; map is measured in blocks of 64 pixels, without their stars.",
    )
    min_significance: float = Field(
        0.0,
        ge=0,
        le=100,
        description="Standard deviations of the noise by which something must exceed the "
        "background to be deconvolved: the sky stays as it is, without mottle, and stars keep "
        "their flux. 0 deconvolves all; 5 leaves noise alone.",
    )
    gain: Annotated[float, Field(gt=0)] | str | None = Field(
        None,
        description="Electrons for one unit of the image's values: a number, or a file with that "
        "of each pixel of the whole image, as gain.fits[1]; that of the FITS header (GAIN, EGAIN) "
        "if left out.",
    )
    read_noise: Annotated[float, Field(ge=0)] | str | None = Field(
        None,
        description="Standard deviation of the read noise in electrons, which counts with the "
        "photons where the gain is known: a number, or a file with that of each pixel; that of the "
        "FITS header (RDNOISE, READNOIS) if left out.",
    )

    @property
    def is_accelerated(self) -> bool:
        """Whether larger steps replace the iterations; an unmatched back projector allows none."""
        return self.accelerate and not self.is_preview

    @property
    def is_preview(self) -> bool:
        """Whether the back projector is not the adjoint."""
        return self.back_projector != "adjoint"

    @property
    def is_local(self) -> bool:
        """Whether each iteration leaves the pixels without consensus as they are."""
        return self.stop == "local-gradient-consensus"
