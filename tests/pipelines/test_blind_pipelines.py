"""Every shipped pipeline that finds the kernel runs, on images of several kinds."""

from __future__ import annotations

import numpy as np
import pytest
from pinned_images import IMAGES

from unblur import deblur

MAP = {"kernel.size": 9, "kernel.iterations": 2, "kernel.refinements": 2}
TEXT = {**MAP, "kernel.n_starts": 2, "kernel.weight_factors": [0.7, 1.4], "kernel.restarts": 1}
SHAKEN = {"kernel.size": 9, "kernel.refinements": 1}
FEW = {"svmap.iterations": 2, "svmap.colour": "luma"}
SCHULER = {"kernel.size": 13, "kernel.refinements": 2}
OPTICS = {"na": 0.5, "emission_nm": 520, "immersion": "air", "pixel_um": 0.3, "size": 9}
NETWORKS = {"kernel.size": 9, "kernel.iterations": 4, "kernel.width": 8}

BLIND = {
    "map-hyper-laplacian": ("stars", MAP),
    "map-svmap": ("grey", {**MAP, **FEW}),
    "map-plug-and-play": ("grey", MAP),
    "low-light": ("colour", MAP),
    "photograph": ("colour", {"kernel.size": 9}),
    "discriminative": ("grey", MAP),
    "discriminative-svmap": ("colour", {**MAP, **FEW}),
    "text": ("grey", TEXT),
    "camera-shake-hyper-laplacian": ("grey", SHAKEN),
    "camera-shake-svmap": ("colour", {**SHAKEN, **FEW}),
    "schuler-hyper-laplacian": ("stars", SCHULER),
    "schuler-svmap": ("grey", {**SCHULER, **FEW}),
    "schuler-local-svmap": ("grey", {**SCHULER, **FEW, "tiles.size": 56}),
    "optics-richardson-lucy": ("grey", {f"kernel.{name}": v for name, v in OPTICS.items()}),
    "fitted-optics-richardson-lucy": ("grey", {f"kernel.{name}": v for name, v in OPTICS.items()}),
    "selfdeblur": ("stack", NETWORKS),
    "selfdeblur-hyper-laplacian": ("grey", {**NETWORKS, "kernel.region": 64}),
    "selfdeblur-svmap": ("stars", {**NETWORKS, **FEW, "kernel.region": 64}),
    "kotera": ("grey", NETWORKS),
    "kotera-svmap": ("grey", {**NETWORKS, **FEW, "kernel.region": 64}),
}
"""Image and short settings of each pipeline."""

WITHOUT_DECONVOLUTION = ("selfdeblur", "kotera")
"""Pipelines whose result is the network's image, after few iterations not yet sharp."""


REPEATED = {"camera-shake-svmap", "discriminative-svmap", "kotera-svmap", "selfdeblur-svmap"}
"""Pipelines whose two steps others of them run."""


@pytest.mark.parametrize("name", sorted(BLIND.keys() - REPEATED))
def test_a_blind_pipeline_keeps_shape_and_type_and_sharpens(name):
    image, settings = BLIND[name]
    make, axes = IMAGES[image]
    blurred = make()
    result = deblur(blurred, name, axes=axes, device="cpu", **settings)
    assert (result.image.shape, result.image.dtype) == (blurred.shape, blurred.dtype)
    assert np.isfinite(result.image).sum() >= np.isfinite(blurred).sum()
    if name not in WITHOUT_DECONVOLUTION:
        assert np.nanstd(result.image.astype(float)) > np.nanstd(blurred.astype(float))
    if result.kernel is not None:
        assert result.kernel.kernels[0][0].weights.sum() == pytest.approx(1, abs=1e-3)
