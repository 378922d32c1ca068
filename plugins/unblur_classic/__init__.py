"""Classic methods: Wiener, Richardson-Lucy, hyper-Laplacian, TV, MAP estimation, point sources."""

from __future__ import annotations

from collections.abc import Iterable

from unblur.plugins.markers import hook
from unblur.plugins.references import StageReference


@hook
def unblur_stages() -> Iterable[StageReference]:
    """Register the classic stages."""
    return [
        StageReference(
            "deconvolve",
            "hyper-laplacian",
            "unblur_classic.nonblind.hyper_laplacian:HyperLaplacian",
        ),
        StageReference(
            "deconvolve",
            "richardson-lucy",
            "unblur_classic.nonblind.richardson_lucy:RichardsonLucy",
        ),
        StageReference(
            "deconvolve", "tv", "unblur_classic.nonblind.total_variation:TotalVariation"
        ),
        StageReference("deconvolve", "wiener", "unblur_classic.nonblind.wiener:Wiener"),
        StageReference(
            "kernel", "camera-shake", "unblur_classic.camera_shake.estimator:CameraShake"
        ),
        StageReference("kernel", "given", "unblur_classic.given:Given"),
        StageReference("kernel", "map", "unblur_classic.map.estimator:MapEstimator"),
        StageReference("kernel", "optics", "unblur_classic.optics.estimator:Optics"),
        StageReference(
            "kernel", "fitted-optics", "unblur_classic.optics.fitted_estimator:FittedOptics"
        ),
        StageReference("kernel", "photograph", "unblur_classic.photograph.estimator:Photograph"),
        StageReference("kernel", "points", "unblur_classic.point_sources.estimator:Points"),
        StageReference("postprocess", "clip", "unblur_classic.postprocess.clip:Clip"),
        StageReference("postprocess", "denoise", "unblur_classic.postprocess.denoise:Denoise"),
        StageReference("postprocess", "dering", "unblur_classic.postprocess.dering:Dering"),
        StageReference(
            "postprocess", "match-range", "unblur_classic.postprocess.match_range:MatchRange"
        ),
        StageReference(
            "prior", "hyper-laplacian", "unblur_classic.priors.gradient_priors:HyperLaplacianPrior"
        ),
        StageReference("prior", "l0-gradient", "unblur_classic.priors.gradient_priors:L0Gradient"),
        StageReference("prior", "tv", "unblur_classic.priors.gradient_priors:TotalVariationPrior"),
        StageReference("prior", "two-tone", "unblur_classic.priors.two_tone:TwoTone"),
    ]
