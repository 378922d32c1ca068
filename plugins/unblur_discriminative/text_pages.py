"""Synthetic pages of random words, set in the font shipped with Pillow."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from unblur.training.images import integer, uniform

LETTERS = "eeeeeeeeeeeetttttttttaaaaaaaaooooooooiiiiiiinnnnnnnsssssshhhhhhrrrrrrddddlllluuu"
OTHER_LETTERS = "cccmmmffyywwggppbbvkxqjz"
MARKS = (",", ".", ".", ";", ":", "?")


def text_page(height: int, width: int, generator: torch.Generator) -> Tensor:
    """Draw a page of random words: 8-bit (H, W), dark on light, or light on dark for one in five.

    Parameters
    ----------
    height, width : int
        Extent of the page in pixels.
    generator : torch.Generator
        Source of the words, of the font size (9 to 36 pixels) and of the two grey levels.
    """
    dark, light = integer(70, generator), 200 + integer(56, generator)
    paper, ink = (dark, light) if uniform(generator) < 0.2 else (light, dark)
    page = Image.new("L", (width, height), paper)
    pen = ImageDraw.Draw(page)
    line = -integer(20, generator)
    while line < height:
        size = 9 + integer(28, generator)
        font = ImageFont.load_default(size)
        leading = round(size * (1.1 + 0.6 * uniform(generator)))
        indent = integer(60, generator) - 30
        for _ in range(1 + integer(6, generator)):
            pen.text((indent, line), _line(width // max(size // 2, 1), generator), ink, font)
            line += leading
        line += integer(leading, generator)
    return torch.from_numpy(np.array(page))


def _line(letters: int, generator: torch.Generator) -> str:
    words: list[str] = []
    length = 0
    while length < letters + 20:
        words.append(_word(generator))
        length += len(words[-1]) + 1
    return " ".join(words)


def _word(generator: torch.Generator) -> str:
    if uniform(generator) < 0.08:
        return str(integer(2000, generator))
    alphabet = LETTERS + OTHER_LETTERS
    count = 1 + integer(5, generator) + integer(6, generator)
    word = "".join(alphabet[integer(len(alphabet), generator)] for _ in range(count))
    if uniform(generator) < 0.15:
        word = word.capitalize()
    return word + (MARKS[integer(len(MARKS), generator)] if uniform(generator) < 0.1 else "")
