"""The layouts of network that the stage and the training offer."""

from __future__ import annotations

from typing import Literal

from unblur_schuler.coarse_to_fine import Network
from unblur_schuler.our_network import DeepNetwork
from unblur_schuler.paper_network import PaperNetwork

Layout = Literal["deep", "paper"]


def untrained(layout: Layout) -> Network:
    """Return a network of a layout before any training."""
    return DeepNetwork() if layout == "deep" else PaperNetwork()
