"""The weights that are shipped with the plugin, and networks with weights."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from unblur.plugins.weights import Pretrained
from unblur_schuler.coarse_to_fine import Network
from unblur_schuler.layouts import build_network

FOLDER = Path(__file__).parent / "trained"
SHIPPED: dict[str, str] = {
    "paper": "7a682a6654c6a68637773f5f42c411ad199ce715e84047431007f126757b5d34",
    "deep": "038a161ad15db4ced4ba8bfce4980f026673cc2629a0241c019dae535e7c371e",
}
"""SHA-256 of each shipped file of weights, by its name in the stage's param `model`."""


PRETRAINED = Pretrained(
    "schuler", FOLDER, SHIPPED, lambda params: build_network(params.get("layout", "deep"))
)


@lru_cache(maxsize=4)
def load_network(name: str) -> Network:
    """Return a trained network of the layout that the header of its file states.

    `name` and the errors are those of `unblur.plugins.weights.Pretrained.load`.
    """
    return PRETRAINED.load(name)
