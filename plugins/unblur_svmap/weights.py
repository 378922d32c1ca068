"""The weights shipped with the plugin, and models built from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from unblur.plugins.weights import Pretrained, training_params
from unblur_svmap.model import ModelDesign, SpatiallyVariantMap

FOLDER = Path(__file__).parent / "trained"
SHIPPED: dict[str, str] = {
    "gaussian": "38c7351ecdf226ee73e71c4124f645ff080990276262e31e7673396ff0236e42",
    "saturated": "939220c847fab89ad32244c842e0012cea7097c91fca4b45de37bc2993c05b44",
    "tolerant": "f349ec1638f8bbda5abbecce59178e28b0de3cae5ef20d413fa3f8afb9bfc919",
}
"""SHA-256 of each shipped set of weights, by its name in the param `model`."""


def build_model(params: Mapping[str, Any], design: ModelDesign) -> SpatiallyVariantMap:
    """Return a model without weights, with the fixed parts of `design` and the rest of `params`."""
    trained = design_of(params)
    chosen = replace(
        trained,
        data="l2" if design.data == "l2" else trained.data,
        regulariser=trained.regulariser if design.regulariser == "learned" else design.regulariser,
        iterations=design.iterations,
    )
    return SpatiallyVariantMap(chosen)


PRETRAINED = Pretrained("svmap", FOLDER, SHIPPED, build_model, partial=True)


@lru_cache(maxsize=4)
def load_model(name: str, design: ModelDesign) -> SpatiallyVariantMap:
    """Return a trained model, on the CPU, in channels-last order.

    Parameters
    ----------
    name : str
        See `unblur.plugins.weights.Pretrained.load`, also for the errors.
    design : ModelDesign
        Parts that are fixed in it (for comparisons) replace the learned ones; whether filters
        are shared among pixels is read from the file.
    """
    model = PRETRAINED.load(name, design)
    # The order in which convolutions of this width run fastest.
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model


@lru_cache
def reweightings_of(name: str) -> int:
    """Return the number of reweightings of the weights of a name, as for `load_model`."""
    path, _ = PRETRAINED.find(name)
    return design_of(training_params(path)).steps


def design_of(params: Mapping[str, Any]) -> ModelDesign:
    """Return the design of trained weights, from the params of their training."""
    default = ModelDesign()
    return ModelDesign(
        params.get("data_term", default.data),
        params.get("regulariser", default.regulariser),
        params.get("invariant", default.invariant),
        params.get("reweightings", default.steps),
    )
