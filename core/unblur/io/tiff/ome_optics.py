"""The optics of a microscope in OME-XML: objective, wavelengths, pinhole, display colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np

from unblur.io.axes import WHITE
from unblur.model.image import Image
from unblur.model.units import length, symbol

_IMMERSIONS = {"air": "Air", "glycerol": "Glycerol", "oil": "Oil", "water": "Water"}
"""OME names of the immersion media."""

_LENGTHS = {
    "excitation_nm": ("ExcitationWavelength", "nm", "nm"),
    "emission_nm": ("EmissionWavelength", "nm", "nm"),
    "pinhole_um": ("PinholeSize", "µm", "µm"),
}
"""Attribute, its default unit, and the unit of each length of a channel."""


def read_optics(root: ET.Element, pixels: ET.Element) -> dict[str, Any]:
    """Return the optics of the image that holds `pixels`; see `unblur.model.formats`."""
    image = next(e for e in root if pixels in list(e))
    settings = image.find("{*}ObjectiveSettings")
    optics: dict[str, Any] = {}
    if settings is not None:
        objectives = root.iterfind("{*}Instrument/{*}Objective")
        found = [e for e in objectives if e.get("ID") == settings.get("ID")]
        index = _positive(settings.get("RefractiveIndex"))
        optics |= {**(_objective(found[0]) if found else {}), "refractive_index": index}
    channels = tuple(_channel(e) for e in pixels.iterfind("{*}Channel"))
    if any(channels):
        optics["channels"] = channels
    return {key: value for key, value in optics.items() if value}


def _objective(element: ET.Element) -> dict[str, Any]:
    immersion = element.get("Immersion", "").lower()
    return {
        "na": _positive(element.get("LensNA")),
        "immersion": immersion if immersion in _IMMERSIONS else None,
        "magnification": _positive(element.get("NominalMagnification")),
        "objective": element.get("Model"),
    }


def _channel(element: ET.Element) -> dict[str, float]:
    found = {}
    for key, (attribute, default, target) in _LENGTHS.items():
        value = _positive(element.get(attribute))
        unit = symbol(element.get(f"{attribute}Unit") or default)
        size = None if value is None else length(value, unit, target)
        if size is not None:
            found[key] = size
    return found


def read_colours(pixels: ET.Element) -> tuple[str, ...]:
    """Return the display colour of each channel, "RRGGBB"; empty if all are white.

    OME takes a channel without a colour to be white.
    """
    stated = [element.get("Color", "-1") for element in pixels.iterfind("{*}Channel")]
    if not all(text.removeprefix("-").isdecimal() and len(text) < 12 for text in stated):
        return ()
    colours = tuple(f"{int(text) >> 8 & 0xFFFFFF:06X}" for text in stated)
    return () if set(colours) <= {WHITE} else colours


def write_colours(pixels: ET.Element, colours: Sequence[str]) -> None:
    """Set the display colours of the channels of a document, if there is one for each."""
    channels = pixels.findall("{*}Channel")
    for element, colour in zip(channels, colours, strict=False):
        if len(channels) == len(colours):
            value = int(colour, 16) << 8 | 0xFF
            element.set("Color", str(value - (1 << 32) if value >> 31 else value))


def write_optics(root: ET.Element, pixels: ET.Element, image: Image) -> None:
    """Add the image's optics to a document that was made for it."""
    channels = pixels.iterfind("{*}Channel")
    optics: Mapping[str, Any] = image.metadata.get("optics", {})
    space = str(root.tag)[1:].split("}")[0]
    for element, facts in zip(channels, optics.get("channels", ()), strict=False):
        for key, (attribute, _, unit) in _LENGTHS.items():
            if facts.get(key):
                element.set(attribute, repr(float(facts[key])))
                element.set(f"{attribute}Unit", unit)
    stated = {
        "Model": optics.get("objective"),
        "LensNA": optics.get("na"),
        "NominalMagnification": optics.get("magnification"),
    }
    attributes = {key: str(value) for key, value in stated.items() if value}
    if optics.get("immersion"):
        attributes["Immersion"] = _IMMERSIONS.get(str(optics["immersion"]), "Other")
    if not attributes and not optics.get("refractive_index"):
        return
    holder = next(e for e in root if pixels in list(e))
    instrument = ET.Element(f"{{{space}}}Instrument", ID="Instrument:0")
    ET.SubElement(instrument, f"{{{space}}}Objective", {"ID": "Objective:0", **attributes})
    root.insert(list(root).index(holder), instrument)
    settings = ET.Element(f"{{{space}}}ObjectiveSettings", ID="Objective:0")
    if optics.get("refractive_index"):
        settings.set("RefractiveIndex", repr(float(optics["refractive_index"])))
    reference = ET.Element(f"{{{space}}}InstrumentRef", ID="Instrument:0")
    place = list(holder).index(pixels)
    holder[place:place] = [reference, settings]


def _positive(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if value > 0 and np.isfinite(value) else None
