"""The network layouts that the stage and the training offer."""

from __future__ import annotations

from typing import Literal

from unblur_schuler.coarse_to_fine import Network
from unblur_schuler.our_network import DeepNetwork
from unblur_schuler.paper_network import PaperNetwork

NetworkLayout = Literal["deep", "paper"]
"""Our own network, or the paper's."""


def build_network(layout: NetworkLayout) -> Network:
    """Return an untrained network of a layout."""
    return DeepNetwork() if layout == "deep" else PaperNetwork()
