"""Contact sheet of a benchmark: some pairs, the result of each pipeline, and the truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from unblur.bench.scores import plane
from unblur.model.image import Image

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

EDGE = 255
"""Longest edge of one image on the sheet; larger ones are cropped to their centre, in pixels."""

GAP, CAPTION = 6, 18
"""Gap between images and height of a caption, in pixels."""


def draw_contact_sheet(
    columns: Sequence[str], rows: Sequence[Sequence[tuple[Image, str]]]
) -> Picture:
    """Arrange images in rows, each with a caption above it.

    Parameters
    ----------
    columns : sequence of str
        Heading of each column.
    rows : sequence of sequences of (Image, str)
        Images with their captions, one per column.
    """
    from PIL import Image as Pillow
    from PIL import ImageDraw, ImageFont

    tiles = [[to_thumbnail(image) for image, _ in row] for row in rows]
    height = max(tile.shape[0] for row in tiles for tile in row)
    width = max(tile.shape[1] for row in tiles for tile in row)
    step_x, step_y = width + GAP, height + CAPTION + GAP
    size = (GAP + step_x * len(columns), CAPTION + GAP + step_y * len(rows))
    page = Pillow.new("RGB", size, (255, 255, 255))
    pen, font = ImageDraw.Draw(page), ImageFont.load_default(13)
    for number, heading in enumerate(columns):
        pen.text((GAP + number * step_x, 2), heading, fill=(0, 0, 0), font=font)
    for down, (row, tiles_here) in enumerate(zip(rows, tiles, strict=True)):
        for across, ((_, caption), tile) in enumerate(zip(row, tiles_here, strict=True)):
            corner = (GAP + across * step_x, CAPTION + GAP + down * step_y)
            pen.text(corner, caption, fill=(90, 90, 90), font=font)
            page.paste(Pillow.fromarray(tile), (corner[0], corner[1] + CAPTION))
    return page


def to_thumbnail(image: Image) -> NDArray[np.uint8]:
    """Return the centre of an image as 8-bit RGB, white = 255: three channels, or the first."""
    values = np.nan_to_num(plane(image, image.white).numpy())
    while values.ndim > 3:
        values = values[:, values.shape[1] // 2]
    values = values if len(values) == 3 else values[[0, 0, 0]]
    index: Any = tuple(
        slice(max((n - EDGE) // 2, 0), max((n - EDGE) // 2, 0) + EDGE) for n in values.shape[1:]
    )
    shown = np.moveaxis(values[(slice(None), *index)], 0, -1)
    return np.asarray(np.clip(shown, 0, 1) * 255 + 0.5, np.uint8)


def evenly_spread(names: Sequence[str], count: int = 4) -> list[str]:
    """Return `count` names at equal distances, beginning with the first."""
    count = min(count, len(names))
    return [names[number * len(names) // count] for number in range(count)]


class ContactSheet:
    """Collection of results from which the contact sheet is drawn.

    Parameters
    ----------
    shown : sequence of str
        Names of the pairs on the sheet.
    """

    def __init__(self, shown: Sequence[str]) -> None:
        self.shown = list(shown)
        self.images: dict[tuple[str, str], tuple[Image, str]] = {}

    def add(self, column: str, pair: str, image: Image, caption: str = "") -> None:
        """Add an image if its pair is shown."""
        if pair in self.shown:
            self.images[column, pair] = (image, caption)

    def caption(self, column: str, pair: str, caption: str) -> None:
        """Set the caption of an image that was added."""
        if (column, pair) in self.images:
            self.images[column, pair] = (self.images[column, pair][0], caption)

    def draw(self, columns: Sequence[str]) -> Picture:
        """Return the sheet with the given columns."""
        rows = [[self.images[column, pair] for column in columns] for pair in self.shown]
        return draw_contact_sheet(columns, rows)
