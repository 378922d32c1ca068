"""Plot of the validation scores of a training, as SVG."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

_WIDTH, _HEIGHT, _MARGIN = 720, 400, 56


def write_plot(
    rows: Sequence[Mapping[str, float | None]], score: str, path: Path, unit: str = "steps"
) -> None:
    """Plot every score whose name begins with `score` over the steps, as SVG.

    Parameters
    ----------
    rows : sequence of mapping
        Lines of the log, each with a key "step".
    score : str
        Name of the validation score; `score-at-5` and the like are drawn too.
    path : Path
        File to write; nothing is written with fewer than two points.
    unit : str
        Unit of the x axis.
    """
    curves: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        for name, value in row.items():
            step = row["step"]
            if name.startswith(score) and value is not None and step is not None:
                curves.setdefault(name, []).append((step, value))
    points = [point for curve in curves.values() for point in curve]
    if len({x for x, _ in points}) < 2:
        return
    low, high = min(y for _, y in points), max(y for _, y in points)
    span = max(high - low, 1e-9)
    right = max(x for x, _ in points)

    def to_svg(x: float, y: float) -> str:
        across = _MARGIN + x / right * (_WIDTH - 2 * _MARGIN)
        down = _HEIGHT - _MARGIN - (y - low) / span * (_HEIGHT - 2 * _MARGIN)
        return f"{across:.1f},{down:.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{_MARGIN}" y="20">{score} over {right:.0f} {unit}</text>',
        f'<text x="4" y="{_MARGIN}">{high:.2f}</text>',
        f'<text x="4" y="{_HEIGHT - _MARGIN}">{low:.2f}</text>',
        f'<text x="{_MARGIN}" y="{_HEIGHT - _MARGIN + 14}">0</text>',
        f'<text x="{_WIDTH - _MARGIN}" y="{_HEIGHT - _MARGIN + 14}">{right:.0f}</text>',
    ]
    for number, (name, curve) in enumerate(sorted(curves.items())):
        colour = f"hsl({number * 137 % 360},65%,42%)"
        path_points = " ".join(to_svg(x, y) for x, y in curve)
        parts.append(f'<polyline points="{path_points}" fill="none" stroke="{colour}"/>')
        parts.append(
            f'<text x="{_MARGIN + 120 * (number % 5)}" y="{_HEIGHT - 28 + 14 * (number // 5)}" '
            f'fill="{colour}">{name}</text>'
        )
    parts.append("</svg>\n")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text("\n".join(parts), encoding="utf-8")
    temporary.replace(path)
