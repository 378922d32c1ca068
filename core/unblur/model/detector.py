"""What the header of an image states about its detector: gain and read noise."""

from __future__ import annotations

from unblur.model.image import Image

GAIN_CARDS = ("GAIN", "EGAIN", "CCDGAIN", "ATODGAIN")
"""Keywords of the electrons per count, the first that is there."""

READ_NOISE_CARDS = ("RDNOISE", "READNOIS", "RON", "ENOISE")
"""Keywords of the read noise in electrons, the first that is there."""


def stated_detector(image: Image) -> dict[str, float]:
    """Return `gain`, in electrons per count, and `read_noise`, in electrons, as far as stated.

    Example
    -------
    >>> import numpy as np
    >>> header = "GAIN    =                  2.0"
    >>> metadata = {"fits": {"header": header}}
    >>> stated_detector(Image(np.ones((2, 2)), "YX", metadata=metadata))
    {'gain': 2.0}
    """
    text = image.metadata.get("fits", {}).get("header", "")
    cards = {line[:8].strip(): line[10:] for line in text.splitlines() if line[8:10] == "= "}
    stated = {
        "gain": _first(cards, GAIN_CARDS),
        "read_noise": _first(cards, READ_NOISE_CARDS),
    }
    return {name: value for name, value in stated.items() if value}


def _first(cards: dict[str, str], names: tuple[str, ...]) -> float:
    """Return the first positive number under the names, 0 if there is none."""
    for name in names:
        try:
            value = float(cards.get(name, "").split("/")[0])
        except ValueError:
            continue
        if 0 < value < float("inf"):
            return value
    return 0.0
