"""The weights that are shipped with the plugin, and networks with weights."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

from unblur.errors import WeightsError
from unblur.plugins.weights import find_weights, load_metadata, load_weights
from unblur_schuler.coarse_to_fine import Network
from unblur_schuler.layouts import build_network

FOLDER = Path(__file__).parent / "trained"
SHIPPED: dict[str, str] = {
    "paper": "7a682a6654c6a68637773f5f42c411ad199ce715e84047431007f126757b5d34",
    "deep": "038a161ad15db4ced4ba8bfce4980f026673cc2629a0241c019dae535e7c371e",
}
"""SHA-256 of each shipped file of weights, by its name in the stage's param `model`."""


@lru_cache(maxsize=4)
def load_network(name: str) -> Network:
    """Return a trained network of the layout in the metadata of its file.

    Parameters
    ----------
    name : str
        Name of shipped weights, or the path of a file that `unblur train schuler` wrote.

    Raises
    ------
    WeightsError
        If there are no such weights or they do not fit.
    """
    path, sha256 = find_weights(name, FOLDER, SHIPPED, "schuler")
    tensors = load_weights(path, sha256)
    layout = json.loads(load_metadata(path).get("params", "{}")).get("layout", "deep")
    network = build_network(layout)
    wanted = network.state_dict()
    if wanted.keys() != tensors.keys() or any(wanted[k].shape != tensors[k].shape for k in wanted):
        raise WeightsError(
            f"'{path.name}' does not hold the {len(wanted)} tensors of schuler's layout "
            f"'{layout}'; it belongs to another model."
        )
    network.load_state_dict(tensors)
    return network.requires_grad_(False).eval()
