"""The weights that come with the plugin, and models built from them."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import torch

from unblur.errors import WeightsError
from unblur.plugins.weights import find_weights, load_metadata, load_weights
from unblur_svmap.model import Design, SpatiallyVariantMap

FOLDER = Path(__file__).parent / "trained"
SHIPPED: dict[str, str] = {
    "gaussian": "38c7351ecdf226ee73e71c4124f645ff080990276262e31e7673396ff0236e42",
    "saturated": "939220c847fab89ad32244c842e0012cea7097c91fca4b45de37bc2993c05b44",
    "tolerant": "f349ec1638f8bbda5abbecce59178e28b0de3cae5ef20d413fa3f8afb9bfc919",
}
"""SHA-256 of each shipped set of weights, by the name that the stage's `model` gives it."""


@lru_cache(maxsize=4)
def load_model(name: str, design: Design) -> SpatiallyVariantMap:
    """Return a trained model, ready to deconvolve.

    Parameters
    ----------
    name : str
        Name of shipped weights, or the path of a file that `unblur train svmap` wrote.
    design : Design
        Parts that are fixed in it (for comparisons) replace the learned ones; whether filters
        are shared among pixels is what the file says.

    Raises
    ------
    WeightsError
        If there are no such weights or they do not fit.
    """
    path, sha256 = find_weights(name, FOLDER, SHIPPED, "svmap")
    tensors = load_weights(path, sha256)
    trained = design_of(path)
    chosen = replace(
        trained,
        data="l2" if design.data == "l2" else trained.data,
        regulariser=trained.regulariser if design.regulariser == "learned" else design.regulariser,
        iterations=design.iterations,
    )
    model = SpatiallyVariantMap(chosen)
    wanted = model.state_dict().keys()
    missing = sorted(wanted - tensors.keys())
    if missing:
        raise WeightsError(
            f"'{path.name}' lacks {len(missing)} tensors of svmap, '{missing[0]}' first; "
            "it belongs to another model."
        )
    model.load_state_dict({key: tensors[key] for key in wanted})
    # The order in which convolutions of this width run fastest.
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model.requires_grad_(False).eval()


@lru_cache
def turns_of(name: str) -> int:
    """Return the reweightings of weights by their name, as for `load_model`."""
    path, _ = find_weights(name, FOLDER, SHIPPED, "svmap")
    return design_of(path).steps


def design_of(path: Path) -> Design:
    """Return the design that weights were trained for, as their header states it."""
    params = json.loads(load_metadata(path).get("params", "{}"))
    default = Design()
    return Design(
        params.get("data_term", default.data),
        params.get("regulariser", default.regulariser),
        params.get("invariant", default.invariant),
        params.get("reweightings", default.steps),
    )
