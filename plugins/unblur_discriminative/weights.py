"""The weights shipped with the plugin, and classifiers built from them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch

from unblur.plugins.weights import Pretrained
from unblur_discriminative.network import Classifier

FOLDER = Path(__file__).parent / "trained"
SHIPPED: dict[str, str] = {
    "general": "fd3393c9cdc478857e4238fce48b68bd38c58a496a4589c5db4d9315a9785d41",
}
"""SHA-256 of each shipped set of weights, by its name in the param `model`."""

PRETRAINED = Pretrained("discriminative", FOLDER, SHIPPED, lambda params: Classifier())


@lru_cache(maxsize=4)
def load_classifier(name: str, dtype: torch.dtype, device: torch.device) -> Classifier:
    """Return a trained classifier on the device and in the type of the images.

    `name` and the errors are those of `unblur.plugins.weights.Pretrained.load`.
    """
    return PRETRAINED.load(name).to(device, dtype)
