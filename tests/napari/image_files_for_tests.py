"""A stack with all that a file can state, and the image that a layer shows."""

from __future__ import annotations

import numpy as np

from napari_unblur.model.layers import LayerCrop, LayerSnapshot
from unblur.model.image import Image

RNG = np.random.default_rng(4)


SIZES = {"T": 2.0, "Z": 0.3, "Y": 0.1, "X": 0.1}


UNITS = {"T": "s", "Z": "µm", "Y": "µm", "X": "µm"}


OPTICS = {"na": 1.4, "channels": ({"emission_nm": 461.0}, {"emission_nm": 525.0})}


def stack_of(axes="TCZYX", dtype=np.uint16):
    """Return a stack of random values with the given axes."""
    shape = tuple({"T": 2, "C": 2, "Z": 5, "Y": 16, "X": 18}[a] for a in axes)
    return Image(
        RNG.integers(0, 4096, shape).astype(dtype),
        axes,
        {a: s for a, s in SIZES.items() if a in axes},
        {a: u for a, u in UNITS.items() if a in axes},
        white=4095 if np.dtype(dtype).kind == "u" else 0.0,
        channels=("DAPI", "GFP") if "C" in axes else (),
        metadata={"optics": OPTICS} if "C" in axes else {},
    )


def image_of(layer):
    """Return the whole image of a layer."""
    snapshot = LayerSnapshot.of(layer)
    whole = tuple(slice(0, n) for n in snapshot.shape)
    return LayerCrop(whole, snapshot.guessed_roles()).image(snapshot)
