"""The weights that come with the plugin, and classifiers built from them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch

from unblur.errors import WeightsError
from unblur.plugins.weights import find_weights, load_weights
from unblur_discriminative.network import Classifier

FOLDER = Path(__file__).parent / "trained"
SHIPPED: dict[str, str] = {
    "general": "fd3393c9cdc478857e4238fce48b68bd38c58a496a4589c5db4d9315a9785d41",
}
"""SHA-256 of each shipped set of weights, by the name that the prior's `model` gives it."""


@lru_cache(maxsize=4)
def load_classifier(name: str, dtype: torch.dtype, device: torch.device) -> Classifier:
    """Return a trained classifier, ready to be differentiated by its image.

    Parameters
    ----------
    name : str
        Name of shipped weights, or the path of a file that `unblur train discriminative` wrote.
    dtype, device
        Those of the images.

    Raises
    ------
    WeightsError
        If there are no such weights or they do not fit.
    """
    path, sha256 = find_weights(name, FOLDER, SHIPPED, "discriminative")
    model = Classifier()
    try:
        model.load_state_dict(load_weights(path, sha256))
    except RuntimeError:
        raise WeightsError(
            f"'{path.name}' holds other tensors than a classifier of `discriminative` has; "
            "give a file that `unblur train discriminative` wrote."
        ) from None
    return model.requires_grad_(False).eval().to(device, dtype)
