"""What the XML of a CZI file states: pixel size, channels, bit depth, optics, names of scenes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np

_IMMERSIONS = ("air", "water", "glycerol", "oil")


_MICRO = 1e6


def stated_sizes(root: ET.Element) -> dict[str, float]:
    """Return the pixel size along Z, Y and X, in µm, and the interval in s."""
    sizes = {
        a: value * _MICRO
        for a in "ZYX"
        if (value := _float(root, f".//Scaling/Items/Distance[@Id='{a}']/Value"))
    }
    interval = _float(root, ".//Image/Dimensions/T/Positions/Interval/Increment")
    return {**sizes, "T": interval} if interval else sizes


def stated_channels(root: ET.Element, numbers: Sequence[int]) -> list[ET.Element]:
    """Return the elements of the channels with these numbers, empty ones where there is none."""
    found = {
        int(match[1]): channel
        for channel in root.iterfind(".//Information/Image/Dimensions/Channels/Channel")
        if (match := re.fullmatch(r"Channel:(\d+)", channel.get("Id", "")))
    }
    empty = ET.Element("Channel")
    return [found.get(n, empty) for n in numbers]


def stated_bits(root: ET.Element) -> int:
    """Return the number of bits of a value, 0 if it is not stated."""
    return int(_float(root, ".//Information/Image/ComponentBitCount") or 0)


def stated_optics(root: ET.Element, channels: list[ET.Element]) -> dict[str, Any]:
    """Return the objective, and the wavelengths and pinholes of the channels."""
    reference = root.find(".//Information/Image/ObjectiveSettings/ObjectiveRef")
    objectives = root.findall(".//Information/Instrument/Objectives/Objective")
    chosen = reference.get("Id") if reference is not None else None
    objective = next((o for o in objectives if o.get("Id") == chosen), None)
    if objective is None and len(objectives) == 1:
        objective = objectives[0]
    optics: dict[str, Any] = {
        "refractive_index": _float(root, ".//Information/Image/ObjectiveSettings/RefractiveIndex")
    }
    if objective is not None:
        immersion = (objective.findtext("Immersion") or "").lower()
        optics |= {
            "na": _float(objective, "LensNA"),
            "magnification": _float(objective, "NominalMagnification"),
            "objective": objective.findtext("Manufacturer/Model") or objective.get("Name"),
            "immersion": immersion if immersion in _IMMERSIONS else None,
        }
    tags = {
        "excitation_nm": "ExcitationWavelength",
        "emission_nm": "EmissionWavelength",
        "pinhole_um": "PinholeSize",
    }
    stated = tuple(
        {key: value for key, tag in tags.items() if (value := _float(channel, tag))}
        for channel in channels
    )
    if any(stated):
        optics["channels"] = stated
    return {key: value for key, value in optics.items() if value}


def scene_names(root: ET.Element) -> dict[int, str]:
    """Return the names of the scenes by their index."""
    names = {}
    for scene in root.iterfind(".//Information/Image/Dimensions/S/Scenes/Scene"):
        with suppress(ValueError):
            names[int(scene.get("Index", ""))] = scene.get("Name", "")
    return names


def _float(element: ET.Element, place: str) -> float | None:
    """Return the positive number at a place below an element, if there is one."""
    with suppress(ValueError):
        value = float(element.findtext(place) or "")
        return value if 0 < value < np.inf else None
    return None
