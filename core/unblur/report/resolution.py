"""The resolution of a result, measured by restoring two noisy halves of its input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unblur.errors import UnblurError
from unblur.model.image import Image
from unblur.model.kernel import KernelField
from unblur.model.units import convert
from unblur.numerics.metrics.ring_correlation import (
    THRESHOLD,
    RingCorrelation,
    SplitResolution,
    split_resolution,
)
from unblur.pipeline import Pipeline
from unblur.report.curve import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH
from unblur.report.entry import ReportEntry
from unblur.report.html_text import escape
from unblur.report.previews import most_contrast

EDGE, EDGE_OF_VOLUME, MOST_PLANES = 256, 96, 32
"""Edge of the part of a plane, and of a volume, that is restored twice, in pixels, and its largest
number of planes."""

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MeasuredResolution:
    """Ring or shell correlations of a part of a result.

    Attributes
    ----------
    curves : SplitResolution
        Before, and after where the pipeline can be repeated with its kernel.
    unit : str
        Unit of the resolution: that of the pixel size, or "px".
    note : str
        The part, and why there is no curve after.
    """

    curves: SplitResolution
    unit: str
    note: str


def measure_resolution(entry: ReportEntry, device: str = "auto") -> MeasuredResolution:
    """Split the input's noise, restore both halves as the result was, and correlate them.

    It is done on a part of the image: the square with the most contrast of the plane that is
    shown, or of a volume where the kernel is 3-D; the first channel.

    Raises
    ------
    ImageError
        If the image is smaller than 16 pixels.
    """
    part, spacing, unit = _part(entry)
    values = np.nan_to_num(np.asarray(part.data, np.float64))
    size = " × ".join(str(n) for n in values.shape)
    note = f"On {size} pixels with the most contrast."
    try:
        pipeline, psf = _repeatable(entry)
    except UnblurError as error:
        return MeasuredResolution(split_resolution(values, None, spacing), unit, f"{note} {error}")

    def restore(half: Float) -> Float:
        from unblur.engine import deblur

        image = part.with_data(half.astype(np.float32), white=part.white)
        seed = int(entry.report.get("seed", 0))
        made = deblur(image, pipeline, psf, device=device, seed=seed).image
        return np.asarray(made.data, np.float64)

    return MeasuredResolution(split_resolution(values, restore, spacing), unit, note)


def resolution_card(measured: MeasuredResolution) -> str:
    """Return the HTML of the curves and the figures."""
    before, after = measured.curves.before, measured.curves.after
    legend = '<span class="b">before</span>'
    legend += "" if after is None else '<span class="a">after</span>'
    figures = f"before {describe(before, measured.unit)}"
    figures += "" if after is None else f", after {describe(after, measured.unit)}"
    name = "shell" if "×" in measured.note and measured.note.count("×") == 2 else "ring"
    return (
        f'<figure class="card resolution"><h3>Resolution</h3><p><b>{escape(figures)}</b></p>'
        f"{_plot(before, after, measured.unit)}"
        f'<div class="legend">{legend}</div>'
        f"<figcaption>Fourier {name} correlation of two halves of the input's noise, each restored "
        f"by itself, at 1/7. {escape(measured.note)}</figcaption></figure>"
    )


def describe(curve: RingCorrelation, unit: str) -> str:
    """Return the resolution in words, e.g. "312 nm"."""
    found = curve.resolution()
    if found is None:
        return f"two pixels ({1 / curve.frequency[-1]:.3g} {unit}) or better"
    return "none above the noise" if found == float("inf") else f"{found:.3g} {unit}"


def _repeatable(entry: ReportEntry) -> tuple[Pipeline, KernelField]:
    content = entry.report.get("pipeline")
    if not content or entry.kernel is None:
        raise UnblurError("The result has no report with pipeline and kernel beside it.")
    pipeline = Pipeline.model_validate(dict(content))
    if all(step.kind != "deconvolve" for step in pipeline.steps):
        raise UnblurError("The pipeline finds kernel and image together and is not repeated.")
    own = entry.kernel.channels[0] if entry.kernel.channels else entry.kernel
    return pipeline, KernelField.single(own.mean, keeps_offset=True)


def _part(entry: ReportEntry) -> tuple[Image, list[float] | None, str]:
    """Return the part of the input that is split, the spacing of its pixels, and its unit."""
    image, field = entry.before, entry.kernel
    is_volume = field is not None and field.mean.ndim == 3 and image.extent("Z") > 1
    depth = image.extent("Z")
    shape = (1, 1, 1) if field is None else (1, *field.mean.shape)[-3:]
    planes = min(depth, max(MOST_PLANES, shape[0]))
    first = (depth - planes) // 2
    where: dict[str, Any] = {"T": 0, "C": 0, "Z": depth // 2}
    if is_volume:
        where["Z"] = slice(first, first + planes)
    index = tuple(where.get(axis, slice(None)) for axis in image.axes)
    values = np.asarray(image.data[index])
    edge = max(EDGE_OF_VOLUME if is_volume else EDGE, *shape[-2:])
    middle = values[len(values) // 2] if is_volume else values
    rows, columns = most_contrast(middle.astype(np.float32), edge)
    axes = "ZYX" if is_volume else "YX"
    part = Image(values[..., rows, columns], axes, image.pixel_size, image.units, image.white)
    unit = image.units.get("X", "")
    steps = [
        convert(image.pixel_size.get(axis, 0.0), image.units.get(axis, ""), unit) for axis in axes
    ]
    if not unit or not all(steps):
        return part, None, "px"
    return part, [float(step or 0) for step in steps], unit


def _plot(before: RingCorrelation, after: RingCorrelation | None, unit: str) -> str:
    end = float(before.frequency[-1])

    def x(frequency: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * frequency / end

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - min(max(value, 0.0), 1.0))

    parts = [
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(level):.1f}" '
        f'y2="{y(level):.1f}"/><text x="{LEFT - 6}" y="{y(level) + 4:.1f}" '
        f'text-anchor="end">{level:g}</text>'
        for level in (0, 0.5, 1)
    ]
    parts.append(
        f'<line class="grid" stroke-dasharray="3 3" x1="{LEFT}" x2="{WIDTH - RIGHT}" '
        f'y1="{y(THRESHOLD):.1f}" y2="{y(THRESHOLD):.1f}"/>'
    )
    parts.extend(
        f'<text x="{x(share * end):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">'
        f"{share * end:.2g}</text>"
        for share in (0, 0.25, 0.5, 0.75, 1)
    )
    parts.append(f'<text x="{LEFT}" y="{HEIGHT - 2}">cycles per {escape(unit)}</text>')
    curves = [("before-line", before)] + ([] if after is None else [("after-line", after)])
    for name, curve in curves:
        points = " L".join(
            f"{x(float(f)):.1f},{y(float(c)):.1f}"
            for f, c in zip(curve.frequency, curve.correlation, strict=True)
        )
        parts.append(f'<path class="{name}" d="M{points}"/>')
    return (
        f'<svg class="curve" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'aria-label="Correlation by frequency, before and after">' + "".join(parts) + "</svg>"
    )
