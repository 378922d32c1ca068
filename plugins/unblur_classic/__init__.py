"""Classic methods: Wiener, Richardson-Lucy, hyper-Laplacian, TV, MAP estimation, point sources."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from unblur.plugins.markers import hook

if TYPE_CHECKING:
    from unblur.model.stages import Stage


@hook
def unblur_stages() -> Iterable[type[Stage]]:
    """Register the classic stages."""
    from unblur_classic.camera_shake.estimator import CameraShake
    from unblur_classic.given import Given
    from unblur_classic.map.estimator import MapEstimator
    from unblur_classic.nonblind.hyper_laplacian import HyperLaplacian
    from unblur_classic.nonblind.richardson_lucy import RichardsonLucy
    from unblur_classic.nonblind.total_variation import TotalVariation
    from unblur_classic.nonblind.wiener import Wiener
    from unblur_classic.optics.estimator import Optics
    from unblur_classic.photograph.estimator import Photograph
    from unblur_classic.point_sources.estimator import Points
    from unblur_classic.postprocess.clip import Clip
    from unblur_classic.postprocess.denoise import Denoise
    from unblur_classic.postprocess.dering import Dering
    from unblur_classic.postprocess.match_range import MatchRange
    from unblur_classic.priors.gradient_priors import (
        HyperLaplacianPrior,
        L0Gradient,
        TotalVariationPrior,
    )
    from unblur_classic.priors.two_tone import TwoTone

    return [
        CameraShake,
        Clip,
        Denoise,
        Dering,
        Given,
        HyperLaplacian,
        HyperLaplacianPrior,
        L0Gradient,
        MapEstimator,
        MatchRange,
        Optics,
        Photograph,
        Points,
        RichardsonLucy,
        TotalVariation,
        TotalVariationPrior,
        TwoTone,
        Wiener,
    ]
