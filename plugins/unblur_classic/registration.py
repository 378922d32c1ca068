"""What the classic plugin registers."""

from __future__ import annotations

from collections.abc import Iterable

from unblur.markers import hook
from unblur.stages import Stage


@hook
def unblur_stages() -> Iterable[type[Stage]]:
    """Register the classic stages."""
    from unblur_classic.camera_estimator import CameraShake
    from unblur_classic.clip import Clip
    from unblur_classic.denoise import Denoise
    from unblur_classic.dering import Dering
    from unblur_classic.given import Given
    from unblur_classic.hyper_laplacian import HyperLaplacian
    from unblur_classic.map_estimator import MapEstimator
    from unblur_classic.match_range import MatchRange
    from unblur_classic.points import Points
    from unblur_classic.priors import HyperLaplacianPrior, L0Gradient, TotalVariationPrior
    from unblur_classic.richardson_lucy import RichardsonLucy
    from unblur_classic.total_variation import TotalVariation
    from unblur_classic.two_tone import TwoTone
    from unblur_classic.wiener import Wiener

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
        Points,
        RichardsonLucy,
        TotalVariation,
        TotalVariationPrior,
        TwoTone,
        Wiener,
    ]
