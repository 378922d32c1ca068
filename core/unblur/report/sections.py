"""One result as a section of the page: slider, kernel, spectra, report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from unblur.io.exif import as_seen, orientation_of
from unblur.model.image import Image
from unblur.model.kernel import KernelField
from unblur.numerics.psf.sampling import describe_sizes
from unblur.report.curve import spectrum_plot
from unblur.report.description import facts, rows, warnings
from unblur.report.entry import ReportEntry
from unblur.report.html_text import escape
from unblur.report.photometry import measure_stars
from unblur.report.previews import (
    Float,
    Plane,
    Tones,
    kernel_picture,
    mapping_for,
    most_contrast,
    png,
    reduce_image,
    view_of,
)
from unblur.report.resolution import measure_resolution, resolution_card
from unblur.report.spectra import picture_of, spectrum, transfer

SMALLEST_WIDTH = 560
"""Width to which a small image is enlarged on the page, in CSS pixels."""


def section(entry: ReportEntry, number: int, with_resolution: bool = False) -> str:
    """Return the HTML of one result; `number` is its number within the page."""
    before, after = view_of(entry.before), view_of(entry.after)
    tones = mapping_for(before, entry.before.white)
    report = entry.report
    parts = [
        f'<section class="result" id="result-{number}" aria-labelledby="title-{number}">',
        f'<h2 id="title-{number}">{escape(entry.title)}</h2>',
        f'<p class="summary">{escape(_summary(report))}</p>',
        _facts(entry),
        _warnings(report),
        _overview(before, after, tones, entry),
        _detail(before, after, tones),
        '<div class="columns">',
        _kernel(entry.kernel, entry.before),
        _curves(before, after, entry.kernel),
        _spectra(before, after),
        resolution_card(measure_resolution(entry)) if with_resolution else "",
        "</div>",
        _photometry(before, after, entry),
        _report(report),
        "</section>",
    ]
    return "\n".join(part for part in parts if part)


def _summary(report: Mapping[str, Any]) -> str:
    return str(report.get("pipeline", {}).get("summary", ""))


def _facts(entry: ReportEntry) -> str:
    image = entry.after
    size = " × ".join(str(image.extent(axis)) for axis in "XYZ" if image.extent(axis) > 1)
    items = [("size", f"{size} px, {image.dtype.name}")]
    known = "".join(axis for axis in "ZYX" if axis in image.pixel_size)
    if known:
        items.append(("pixel size", describe_sizes(known, image.pixel_size, image.units)))
    items += facts(entry.report)
    listed = "".join(f"<li>{escape(name)} <b>{escape(value)}</b></li>" for name, value in items)
    return f'<ul class="facts">{listed}</ul>'


def _warnings(report: Mapping[str, Any]) -> str:
    listed = "".join(f"<li>{escape(sentence)}</li>" for sentence in warnings(report))
    return f'<ul class="warnings" aria-label="Warnings">{listed}</ul>' if listed else ""


def _overview(before: Plane, after: Plane, tones: Tones, entry: ReportEntry) -> str:
    first, second = reduce_image(before.values), reduce_image(after.values)
    notes = [note for note in (before.note, "" if before.is_photo else str(tones)) if note]
    factor = round(before.values.shape[1] / first.shape[1])
    if factor > 1:
        notes.append(f"reduced {factor} times")
    caption = "; ".join(["Drag, or use the arrow keys", *notes]) + "."
    return _slider(first, second, tones, f"{entry.title}, before and after", caption)


def _detail(before: Plane, after: Plane, tones: Tones) -> str:
    if reduce_image(before.values).shape == before.values.shape:
        return ""
    region = most_contrast(after.values)
    top, left = region[0].start, region[1].start
    caption = f"A detail at full resolution, from row {top}, column {left}."
    return _slider(before.values[region], after.values[region], tones, "Detail", caption)


def _slider(before: Float, after: Float, tones: Tones, label: str, caption: str) -> str:
    height, width = before.shape[:2]
    shown = max(width, min(SMALLEST_WIDTH, 4 * width))
    style = f"width:min(100%,{shown}px)" + (";image-rendering:pixelated" * (shown > 2 * width))
    images = "".join(
        f'<img class="{name}" src="{png(tones(values))}" width="{width}" height="{height}" '
        f'alt="{escape(label)}: {name}" draggable="false">'
        for name, values in (("before", before), ("after", after))
    )
    return (
        f'<figure class="card"><div class="compare" style="{style}">{images}'
        '<span class="tag left">before</span><span class="tag right">after</span>'
        '<span class="bar"></span>'
        '<input type="range" min="0" max="100" step="0.5" value="50" '
        f'aria-label="{escape(label)}: position of the divider"></div>'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _kernel(field: KernelField | None, image: Image) -> str:
    if field is None:
        return ""
    picture = as_seen(kernel_picture(field), orientation_of(image))
    gap = np.isnan(picture)
    grey = (np.sqrt(np.nan_to_num(picture)) * 255 + 0.5).astype(np.uint8)
    colour = np.stack([np.where(gap, 90, grey)] * 3, -1).astype(np.uint8)
    sample = field.kernels[0][0]
    size = " × ".join(str(n) for n in sample.shape)
    grid = "" if field.is_uniform else f", {field.shape[0]} × {field.shape[1]} kernels"
    grid = f", one for each of {len(field.channels)} channels" if field.channels else grid
    depth = "; largest value along depth" if sample.ndim == 3 else ""
    bar = _round_length(picture.shape[1] / 3)
    share = 100 * bar / picture.shape[1]
    return (
        '<figure class="card kernel"><h3>Kernel</h3>'
        f'<img class="pixels scaled" src="{png(colour)}" width="{picture.shape[1]}" '
        f'height="{picture.shape[0]}" alt="The blur kernel, {size} pixels">'
        f'<div class="ruler"><i style="width:{share:.2f}%"></i>{_length(bar, image)}</div>'
        f"<figcaption>{size} px{grid}{depth}; tones are the square root of the weight.</figcaption>"
        "</figure>"
    )


def _round_length(pixels: float) -> int:
    """Return the longest of 1, 2, 5, 10, 20, 50 ... that is at most `pixels`, at least 1."""
    best = 1
    for power in range(6):
        for digit in (1, 2, 5):
            if digit * 10**power <= pixels:
                best = digit * 10**power
    return best


def _length(pixels: int, image: Image) -> str:
    step = image.pixel_size.get("X")
    physical = f" = {pixels * step:.3g} {escape(image.units.get('X', ''))}" if step else ""
    return f"{pixels} px{physical}"


def _curves(before: Plane, after: Plane, field: KernelField | None) -> str:
    first, second = spectrum(before.values), spectrum(after.values)
    kernel = None if field is None else transfer(field.mean)
    legend = '<span class="b">before</span><span class="a">after</span>'
    legend += "" if kernel is None else '<span class="k">kernel</span>'
    return (
        '<figure class="card"><h3>Power by frequency</h3>'
        f"{spectrum_plot(first.radial, second.radial, kernel)}"
        f'<div class="legend">{legend}</div></figure>'
    )


def _spectra(before: Plane, after: Plane) -> str:
    pictures = picture_of(spectrum(before.values), spectrum(after.values))
    images = "".join(
        f'<div><img src="{png(picture)}" alt="Spectrum {name}">'
        f"<figcaption>{name}</figcaption></div>"
        for name, picture in zip(("before", "after"), pictures, strict=True)
    )
    return f'<figure class="card"><h3>Spectra</h3><div class="pair">{images}</div></figure>'


def _photometry(before: Plane, after: Plane, entry: ReportEntry) -> str:
    """Return the aperture photometry of the stars of a FITS image."""
    if entry.before.metadata.get("format") != "fits":
        return ""
    found = measure_stars(before.values, after.values, entry.kernel)
    if found is None:
        return ""
    return f'<div class="card"><h3>Photometry</h3><p>{escape(found.describe())}</p></div>'


def _report(report: Mapping[str, Any]) -> str:
    listed = "".join(
        f"<tr><th scope=row>{escape(name)}</th><td>{escape(value)}</td></tr>"
        for name, value in rows(report)
    )
    if not listed:
        return ""
    return f'<div class="card"><h3>How it was made</h3><table>{listed}</table></div>'
