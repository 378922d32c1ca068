"""The weights shipped with the plugin, and networks built from them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from unblur.plugins.weights import Pretrained
from unblur_denoiser.unet import WIDTHS, DenoisingNetwork
from unblur_denoiser.unrolled import STEPS, UnrolledSplitting

FOLDER = Path(__file__).parent / "trained"
SHIPPED: dict[str, str] = {
    "general": "a9f35a9031b5754a63e120c152c3c476f5523c69d35e54ce89b4611caa55e7c6",
}
"""SHA-256 of each shipped set of weights, by its name in the param `model`."""


def build_network(params: Mapping[str, Any]) -> DenoisingNetwork:
    """Return a network without weights, with the widths that the params of its training state."""
    return DenoisingNetwork(params.get("widths", WIDTHS))


SHIPPED_SPLITTINGS: dict[str, str] = {
    "tuned": "c96acad290d1eda4b4d69d0b824688888cffa9c390e1ca5a13900c435ab9a1f8",
}
"""SHA-256 of each shipped set of weights of trained steps, by its name in the param `model`."""


def build_splitting(params: Mapping[str, Any]) -> UnrolledSplitting:
    """Return trained steps without weights, of the design that their training's params state."""
    return UnrolledSplitting(params.get("widths", WIDTHS), params.get("unrolled", STEPS))


PRETRAINED = Pretrained("denoiser", FOLDER, SHIPPED, build_network)
PRETRAINED_SPLITTINGS = Pretrained("plug-and-play", FOLDER, SHIPPED_SPLITTINGS, build_splitting)


@lru_cache(maxsize=4)
def load_network(name: str, device: str = "cpu") -> DenoisingNetwork:
    """Return a trained network in channels-last order, in which its convolutions are fastest.

    Parameters
    ----------
    name : str
        See `unblur.plugins.weights.Pretrained.load`, also for the errors.
    device : str
        Torch device.
    """
    network = PRETRAINED.load(name).to(device)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


@lru_cache(maxsize=4)
def load_splitting(name: str, device: str = "cpu") -> UnrolledSplitting:
    """Return trained steps; see `load_network`."""
    splitting = PRETRAINED_SPLITTINGS.load(name).to(device)
    return splitting.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]
