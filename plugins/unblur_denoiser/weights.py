"""The weights shipped with the plugin, and networks built from them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from unblur.plugins.weights import Pretrained
from unblur_denoiser.unet import WIDTHS, DenoisingNetwork

FOLDER = Path(__file__).parent / "trained"
SHIPPED: dict[str, str] = {
    "general": "fc59af8a163e261a95cb7e33c7709750619e16d8398d37e0f0249cc0a570cb08",
}
"""SHA-256 of each shipped set of weights, by its name in the param `model`."""


def build_network(params: Mapping[str, Any]) -> DenoisingNetwork:
    """Return a network without weights, with the widths that the params of its training state."""
    return DenoisingNetwork(params.get("widths", WIDTHS))


PRETRAINED = Pretrained("denoiser", FOLDER, SHIPPED, build_network)


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
