"""Which pipelines are pinned, on which images, with which settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Feed = Literal["array", "dask", "command"]

Settings = Mapping[str, Any]

KNOWN_KERNELS = {
    "grey": "shake", "colour": "shake", "stars": "star", "volume": "bead", "stack": "shake",
}  # fmt: skip
"""The kernel that blurred each image."""


@dataclass(frozen=True)
class Case:
    """One result that is pinned.

    Parameters
    ----------
    pipeline : str or mapping
        Name of a shipped pipeline, or the content of a pipeline file.
    image : str
        A key of `pinned_images.IMAGES`.
    psf : str or None
        A key of `pinned_images.KERNELS`, "field" for four kernels, or None for a blind run.
    settings : mapping
        Params that differ from the pipeline's, e.g. "kernel.size".
    options : mapping
        Further arguments of `unblur.deblur`.
    feed : {"array", "dask", "command"}
        How the image is handed over: as an array, as a lazy one in chunks, or as a TIFF to
        `unblur run`.
    """

    pipeline: str | Mapping[str, Any]
    image: str
    psf: str | None = None
    settings: Settings = field(default_factory=dict)
    options: Settings = field(default_factory=dict)
    feed: Feed = "array"

    @property
    def is_blind(self) -> bool:
        """Whether the kernel was estimated."""
        return self.psf is None


CASES: dict[str, Case] = {}
"""Every pinned result by its name, PIPELINE-IMAGE or PIPELINE-IMAGE-VARIANT."""


def pin(name: str, pipeline: str | Mapping[str, Any], image: str, **rest: Any) -> None:
    """Add a case."""
    assert name not in CASES, name
    CASES[name] = Case(pipeline, image, **rest)


def known(pipeline: str, image: str, variant: str = "", **rest: Any) -> None:
    """Add a case of a shipped pipeline with the kernel that blurred the image."""
    name = f"{pipeline}-{image}" + (f"-{variant}" if variant else "")
    pin(name, pipeline, image, **{"psf": KNOWN_KERNELS[image], **rest})


def blind(pipeline: str, image: str, variant: str = "", **rest: Any) -> None:
    """Add a case of a shipped pipeline without a kernel."""
    pin(f"{pipeline}-{image}" + (f"-{variant}" if variant else ""), pipeline, image, **rest)


def chain(*steps: Mapping[str, Any], **tiles: Any) -> dict[str, Any]:
    """Return the content of a pipeline file with these steps."""
    return {"summary": "Pinned.", "steps": list(steps), **({"tiles": tiles} if tiles else {})}


def deconvolve(stage: str, **params: Any) -> dict[str, Any]:
    """Return a deconvolve step."""
    return {"deconvolve": stage, "params": params}


def postprocess(stage: str, **params: Any) -> dict[str, Any]:
    """Return a postprocess step."""
    return {"postprocess": stage, "params": params}


def kernel_step(stage: str, **params: Any) -> dict[str, Any]:
    """Return a kernel step."""
    return {"kernel": stage, "params": params}


# Shipped pipelines with a known kernel -----------------------------------------------------------

for _pipeline in ("wiener", "richardson-lucy", "tv"):
    for _image in ("grey", "colour", "stars", "volume"):
        known(_pipeline, _image)
for _pipeline in ("hyper-laplacian", "svmap"):
    for _image in ("grey", "colour", "stars", "stack"):
        known(_pipeline, _image)
known("hyper-laplacian", "volume")
known("svmap", "volume")
blind("points-richardson-lucy", "stars")
blind("points-richardson-lucy", "volume")
blind("points-richardson-lucy", "grey")

# Shipped pipelines that find the kernel ----------------------------------------------------------

MAP = {"kernel.size": 9, "kernel.iterations": 2, "kernel.refinements": 2}
TEXT = {"kernel.size": 9, "kernel.iterations": 2, "kernel.refinements": 1, "kernel.n_starts": 2,
        "kernel.weight_factors": [0.7, 1.4], "kernel.restarts": 1}  # fmt: skip
SHAKEN = {"kernel.size": 9, "kernel.refinements": 1}
FEW = {"svmap.iterations": 2, "svmap.colour": "luma"}
PLAIN = {"svmap.data_term": "l2", "svmap.regulariser": "hyper-laplacian"}
SCHULER = {"kernel.size": 13, "kernel.refinements": 2}
NETWORKS = {"kernel.size": 9, "kernel.iterations": 6, "kernel.width": 8}

_blind: dict[str, Settings] = {
    "map-hyper-laplacian": MAP,
    "map-svmap": MAP,
    "low-light": MAP,
    "discriminative": MAP,
    "discriminative-svmap": {**MAP, **FEW},
    "text": TEXT,
    "camera-shake-hyper-laplacian": SHAKEN,
    "camera-shake-svmap": {**SHAKEN, **FEW},
    "schuler-hyper-laplacian": SCHULER,
    "schuler-svmap": {**SCHULER, **FEW},
    "schuler-local-svmap": {**SCHULER, **FEW, "tiles.size": 56},
    "selfdeblur": NETWORKS,
    "selfdeblur-hyper-laplacian": {**NETWORKS, "kernel.region": 64},
    "selfdeblur-svmap": {**NETWORKS, **FEW, "kernel.region": 64},
    "kotera": NETWORKS,
    "kotera-svmap": {**NETWORKS, **FEW, "kernel.region": 64},
}
for _pipeline, _settings in _blind.items():
    for _image in ("grey", "colour", "stars"):
        # The learned terms would take 12 s here.
        _plain = PLAIN if (_pipeline, _image) == ("schuler-local-svmap", "colour") else {}
        blind(_pipeline, _image, settings={**_settings, **_plain})
blind("map-hyper-laplacian", "stack", settings=MAP)
blind("map-hyper-laplacian", "volume", settings=MAP)
blind("selfdeblur", "stack", settings=NETWORKS)

# Sizes of kernels that are found -----------------------------------------------------------------

_auto = {"kernel.size": "auto"}
blind("map-hyper-laplacian", "grey", "auto-size", settings={**MAP, **_auto})
blind("schuler-hyper-laplacian", "grey", "auto-size", settings={**SCHULER, **_auto})
blind("selfdeblur", "grey", "auto-size", settings={**NETWORKS, **_auto})

# Tiles, lazy images, kernels that vary, the command ----------------------------------------------

for _pipeline in ("wiener", "richardson-lucy", "hyper-laplacian", "tv", "svmap"):
    _short = FEW if _pipeline == "svmap" else {}
    known(_pipeline, "grey", "tiled", settings=_short, options={"tile": 48})
    known(_pipeline, "grey", "field", settings=_short, psf="field")
    if _pipeline not in ("hyper-laplacian", "svmap"):  # these take 3 to 11 s
        known(_pipeline, "colour", "tiled", options={"tile": 48})
    known(_pipeline, "stars", "lazy", settings=_short, feed="dask")
known("richardson-lucy", "volume", "tiled", options={"tile": 32})
known("richardson-lucy", "grey", "field-tiled", psf="field", options={"tile": 40})
known("wiener", "volume", "lazy", feed="dask")
known("tv", "stack", "tiled", options={"tile": 40})
blind("map-hyper-laplacian", "grey", "tiled", settings=MAP, options={"tile": 48})
blind("map-hyper-laplacian", "grey", "lazy", settings=MAP, feed="dask")
blind("discriminative", "grey", "tiled", settings=MAP, options={"tile": 48})
blind("points-richardson-lucy", "stars", "tiled", options={"tile": 40})
blind("points-richardson-lucy", "stars", "lazy", feed="dask")
known("wiener", "grey", "command", feed="command")
blind("map-hyper-laplacian", "colour", "command", feed="command", settings=MAP)

# Options of the call -----------------------------------------------------------------------------

known("hyper-laplacian", "stars", "fill", options={"nonfinite": "fill"})
known("svmap", "colour", "unmasked", options={"saturated": "keep"})
known("richardson-lucy", "colour", "masked", options={"saturated": "mask"})
known("wiener", "grey", "noise", options={"noise": 0.02})
blind("selfdeblur", "grey", "seed", settings=NETWORKS, options={"seed": 7})

# Stages and params that no shipped pipeline uses -------------------------------------------------

_known: dict[str, tuple[str, dict[str, Any]]] = {
    "denoise": ("grey", chain(postprocess("denoise"))),
    "denoise-strength": ("colour", chain(postprocess("denoise", noise=0.02, strength=0.7))),
    "denoise-volume": ("volume", chain(postprocess("denoise"))),
    "dering": ("colour", chain(deconvolve("wiener"), postprocess("dering", strength=0.8))),
    "dering-tiled": ("grey", chain(deconvolve("wiener"), postprocess("dering"), size=40)),
    "match-range-flux": ("grey", chain(deconvolve("wiener"), postprocess("match-range"))),
    "match-range-mean": (
        "colour", chain(deconvolve("tv"), postprocess("match-range", match="mean"))),
    "match-range-percentiles": (
        "stars", chain(deconvolve("wiener"), postprocess("match-range", match="percentiles"))),
    "match-range-tiled": (
        "grey", chain(deconvolve("wiener"), postprocess("match-range"), size=40)),
    "clip-input": (
        "grey", chain(deconvolve("wiener"), postprocess("clip", low="input", high="input"))),
    "wiener-weight": ("grey", chain(deconvolve("wiener", weight=0.01, iterations=0))),
    "tv-weight": ("volume", chain(deconvolve("tv", weight=0.002, iterations=15))),
    "hyper-laplacian-weight": (
        "grey", chain(deconvolve("hyper-laplacian", weight=0.001, exponent=0.5, curvature=0))),
    "richardson-lucy-discrepancy": (
        "stars", chain(deconvolve("richardson-lucy", stop="discrepancy", background="auto"))),
    "richardson-lucy-consensus": (
        "volume", chain(deconvolve("richardson-lucy", stop="gradient-consensus", iterations=60))),
    "richardson-lucy-discrepancy-tiled": (
        "grey", chain(deconvolve("richardson-lucy", stop="discrepancy"), size=40)),
    "richardson-lucy-consensus-tiled": (
        "grey", chain(deconvolve("richardson-lucy", stop="gradient-consensus"), size=40)),
    "richardson-lucy-tv": (
        "colour", chain(deconvolve("richardson-lucy", tv=0.002, accelerate=True, iterations=10))),
    "hyper-laplacian-denoise": (
        "stack", chain(deconvolve("hyper-laplacian", weight=0.002), postprocess("denoise"))),
    "svmap-luma": ("colour", chain(deconvolve("svmap", colour="luma"))),
    "svmap-saturated": ("grey", chain(deconvolve("svmap", model="saturated", noise=0.01))),
    "svmap-tolerant": ("grey", chain(deconvolve("svmap", model="tolerant", model_error=0.16))),
    "svmap-plain": (
        "grey", chain(deconvolve("svmap", data_term="l2", regulariser="hyper-laplacian"))),
    "two-deconvolvers": (
        "grey", chain(deconvolve("wiener"), deconvolve("richardson-lucy", iterations=4))),
}  # fmt: skip
for _name, (_image, _content) in _known.items():
    pin(f"{_name}-{_image}", _content, _image, psf=KNOWN_KERNELS[_image])


def _map(tiles: Settings | None = None, **params: Any) -> dict[str, Any]:
    """Return `map` with short settings, then `wiener`."""
    short = {"size": 9, "iterations": 2, "refinements": 2, **params}
    return chain(kernel_step("map", **short), deconvolve("wiener"), **(tiles or {}))


_networks = {"size": 9, "iterations": 4, "width": 8}
_found: dict[str, tuple[str, dict[str, Any]]] = {
    "given": ("grey", chain(kernel_step("given", weights=[[0, 1, 0], [1, 4, 2], [0, 1, 1]]),
                            deconvolve("wiener"))),
    "map-l0": ("grey", _map(priors=[{"prior": "l0-gradient", "weight": 0.004}])),
    "map-tv": ("grey", _map(priors=[{"prior": "tv", "weight": 0.01}])),
    "map-hyper-laplacian-prior": (
        "grey", _map(priors=[{"prior": "hyper-laplacian", "weight": 0.01}])),
    "map-two-tone": ("grey", _map(priors=[{"prior": "two-tone", "weight": 0.01}])),
    "map-discriminative": (
        "grey", _map(priors=[{"prior": "discriminative", "weight": 0.004,
                              "params": {"steps": 3}}])),
    "map-median": ("colour", _map(median=3, whiten=False, ridge=2.0)),
    "map-starts": ("grey", _map(n_starts=2, weight_factors=[0.7, 1.4], refinements=1)),
    "map-local": ("grey", _map({"kernel": "local", "size": 44})),
    "map-local-camera": (
        "grey", chain(kernel_step("map", size=9, iterations=2, refinements=2),
                      deconvolve("richardson-lucy", iterations=3),
                      kernel="local", motion="camera", size=44)),
    "map-only": ("grey", chain(kernel_step("map", size=9, iterations=2, refinements=1))),
    "camera-shake-map": (
        "grey", chain(kernel_step("camera-shake", size=9, local_estimator="map", refinements=1),
                      deconvolve("wiener"))),
    "points-epsf": ("stars", chain(kernel_step("points", method="epsf", size=9),
                                   deconvolve("richardson-lucy", iterations=5))),
    "points-positions": (
        "grey", chain(kernel_step("points", size=9, positions=[[30, 30], [50, 40]]),
                      deconvolve("wiener"))),
    "schuler-paper": ("grey", chain(kernel_step("schuler", size=13, model="paper", refinements=1),
                                    deconvolve("wiener"))),
    "schuler-local": (
        "colour", chain(kernel_step("schuler", size=13, refinements=1), deconvolve("wiener"),
                        kernel="local", size=56)),
    "schuler-whole": ("colour", chain(kernel_step("schuler", size=13, windows="all", refinements=1),
                                      deconvolve("wiener"))),
    "selfdeblur-paper-loss": (
        "grey", chain(kernel_step("selfdeblur", loss="paper", restarts=2, **_networks))),
    "selfdeblur-alternating": (
        "grey", chain(kernel_step("selfdeblur", optimisation="alternating", kernel_net="two",
                             **_networks))),
    "selfdeblur-joint": ("colour", chain(kernel_step("selfdeblur", colour="joint", **_networks))),
}  # fmt: skip
for _name, (_image, _content) in _found.items():
    pin(f"{_name}-{_image}", _content, _image)
