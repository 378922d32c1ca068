"""Parsing of XML that a file of unknown origin holds."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from unblur.errors import ImageError


def parse_xml(text: str, source: str) -> ET.Element:
    """Return the root of a document, without the expansion of entities.

    Raises
    ------
    ImageError
        If the document is damaged, or declares a document type, the only place of entities.
    """
    if "<!DOCTYPE" in text:
        raise ImageError(f"{source}: its XML declares a document type, which is not read.")
    try:
        return ET.fromstring(text)  # noqa: S314 - without a document type there are no entities
    except ET.ParseError as error:
        raise ImageError(f"{source} is damaged: its XML cannot be read ({error}).") from None
