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
        A key of `pinned_images.KERNELS`, "field" for four kernels, or None where the pipeline finds
        the kernel.
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
    """Add a case of a shipped pipeline that finds the kernel."""
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
for _image in ("grey", "colour", "stars"):
    known("plug-and-play", _image)
known("hyper-laplacian", "volume")
known("svmap", "volume")
THIRTY = {"richardson-lucy.iterations": 30}
blind("points-richardson-lucy", "stars", settings=THIRTY)
blind("points-richardson-lucy", "volume", settings=THIRTY)
blind("points-richardson-lucy", "grey", settings=THIRTY)

FEW = {"svmap.iterations": 2, "svmap.colour": "luma"}

# Tiles, lazy images, kernels that vary, the command ----------------------------------------------

for _pipeline in ("wiener", "richardson-lucy", "hyper-laplacian", "tv", "svmap"):
    _short = FEW if _pipeline == "svmap" else {}
    known(_pipeline, "grey", "tiled", settings=_short, options={"tile": 48})
    known(_pipeline, "grey", "field", settings=_short, psf="field")
for _pipeline in ("wiener", "richardson-lucy"):
    known(_pipeline, "colour", "tiled", options={"tile": 48})
    known(_pipeline, "stars", "lazy", feed="dask")
known("richardson-lucy", "volume", "tiled", options={"tile": 32})
known("richardson-lucy", "grey", "field-tiled", psf="field", options={"tile": 40})
known("wiener", "volume", "lazy", feed="dask")
blind("points-richardson-lucy", "stars", "tiled", settings=THIRTY, options={"tile": 40})
blind("points-richardson-lucy", "stars", "lazy", settings=THIRTY, feed="dask")
known("wiener", "grey", "command", feed="command")

# Options of the call -----------------------------------------------------------------------------

known("hyper-laplacian", "stars", "fill", options={"nonfinite": "fill"})
known("richardson-lucy", "colour", "masked", options={"saturated": "mask"})
known("wiener", "grey", "noise", options={"noise": 0.02})

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


_found: dict[str, tuple[str, dict[str, Any]]] = {
    "given": ("grey", chain(kernel_step("given", weights=[[0, 1, 0], [1, 4, 2], [0, 1, 1]]),
                            deconvolve("wiener"))),
    "points-positions": (
        "grey", chain(kernel_step("points", size=9, positions=[[30, 30], [50, 40]]),
                      deconvolve("wiener"))),
}  # fmt: skip
for _name, (_image, _content) in _found.items():
    pin(f"{_name}-{_image}", _content, _image)
