"""Plot of the radial spectra, as SVG in the colours of the page."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 420, 230
"""Size of the plot, in pixels."""

LEFT, RIGHT, TOP, BOTTOM = 44, 8, 10, 34
"""Margins of the plot, in pixels."""


def spectrum_plot(
    before: NDArray[np.float64], after: NDArray[np.float64], kernel: NDArray[np.float64] | None
) -> str:
    """Return an SVG of power against frequency, 0 to 0.5 cycles per pixel, in decibels.

    All curves share one axis: the images' power is relative to the largest of either, and the
    kernel's squared transfer function relative to 1.
    """
    peak = max(float(before[1:].max()), float(after[1:].max()), 1e-30)
    lines = [("before-line", before[1:] / peak), ("after-line", after[1:] / peak)]
    if kernel is not None:
        lines.append(("kernel-line", kernel[1:] ** 2))
    decibels = [(name, 10 * np.log10(np.maximum(values, 1e-12))) for name, values in lines]
    lowest = min(float(values.min()) for _, values in decibels)
    floor = max(10 * np.floor(lowest / 10), -90.0)
    parts = [*_grid(floor)]
    parts += [f'<path class="{name}" d="{_path(values, floor)}"/>' for name, values in decibels]
    return (
        f'<svg class="curve" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'aria-label="Power by frequency, before and after">' + "".join(parts) + "</svg>"
    )


def _path(values: Sequence[float] | NDArray[np.float64], floor: float) -> str:
    count = len(values)
    points = [
        f"{_x((number + 1) / (2 * count)):.1f},{_y(max(float(value), floor), floor):.1f}"
        for number, value in enumerate(values)
    ]
    return "M" + " L".join(points)


def _grid(floor: float) -> list[str]:
    parts = []
    for level in np.arange(floor, 1, 20 if floor < -50 else 10):
        y = _y(float(level), floor)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{level:.0f}</text>')
    for frequency in (0, 0.1, 0.2, 0.3, 0.4, 0.5):
        x, y = _x(frequency), HEIGHT - BOTTOM + 16
        parts.append(f'<text x="{x:.1f}" y="{y}" text-anchor="middle">{frequency:g}</text>')
    parts.append(f'<text x="{LEFT}" y="{HEIGHT - 2}">cycles per pixel</text>')
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 2}" text-anchor="end">power in dB</text>')
    return parts


def _x(frequency: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * frequency / 0.5


def _y(level: float, floor: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * level / floor
