"""From what the panels show to the plain data that workers take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_unblur.model.command import run_command
from napari_unblur.model.draft import Draft
from napari_unblur.model.job import Job
from napari_unblur.model.layers import Source, sliced
from napari_unblur.model.psf_request import PsfRequest
from napari_unblur.work.preview import Trial
from unblur.errors import PipelineError, UsageError

if TYPE_CHECKING:
    from napari_unblur.panels.steps import StepsPanel
    from napari_unblur.widget import DeblurWidget


def sound_draft(steps: StepsPanel) -> Draft:
    """Return the draft, or raise `PipelineError` with what is wrong with it."""
    draft, problem = steps.draft(), steps.problem()
    if draft is None or problem:
        raise PipelineError(problem)
    return draft


def source_of(widget: DeblurWidget) -> Source:
    """Return the chosen layer, or raise `UsageError`."""
    source = widget.input.source()
    if source is None:
        raise UsageError("there is no image layer; open an image first.")
    return source


def job(widget: DeblurWidget) -> Job:
    """Return the job that Run starts."""
    _check(widget)
    source = source_of(widget)
    return Job(
        source=source,
        cut=widget.input.whole_cut(source, widget.input.position()),
        pipeline=sound_draft(widget.steps).pipeline(),
        psf=widget.psf.field(),
        device=widget.options.device.currentData(),
        seed=widget.options.seed.value(),
        destination=widget.options.destination(source),
    )


def trial(widget: DeblurWidget) -> Trial:
    """Return what a preview depends on."""
    _check(widget)
    view = widget.input.view()
    if view is None:
        raise UsageError(
            "a preview needs the last two axes in a 2-D view; press Ctrl+Y to leave 3-D, or roll "
            "the axes back with Ctrl+E."
        )
    return Trial(
        source_of(widget),
        view,
        widget.input.chosen_roles(),
        sound_draft(widget.steps),
        widget.psf.field(),
        widget.options.device.currentData(),
        widget.options.seed.value(),
    )


def command(widget: DeblurWidget) -> str:
    """Return the `unblur run` line that does what Run does."""
    source = widget.input.source()
    psf = widget.psf.path.text() if widget.psf.origin == "file" else None
    if widget.psf.origin in ("layer", "points"):
        psf = "PSF.tif"
    return run_command(
        sound_draft(widget.steps),
        source=None if source is None else source.path,
        psf=psf,
        device=widget.options.device.currentData(),
        seed=widget.options.seed.value(),
    )


def psf_request(widget: DeblurWidget) -> PsfRequest:
    """Return what to fetch for the chosen origin of the PSF."""
    panel, source = widget.psf, widget.input.source()
    shape = () if source is None else _spatial(source, widget.input.chosen_roles())
    if panel.origin == "file":
        return PsfRequest("file", panel.path.text(), image_shape=shape)
    if panel.origin == "layer":
        layer = panel.layers.currentData()
        if layer is None:
            raise UsageError("choose the layer that holds the PSF.")
        psf = Source.of(layer)
        return PsfRequest(
            "layer",
            layer.name,
            psf.data,
            rgb=psf.rgb,
            image_shape=shape,
            pixel_size=_pixel_size(psf),
            image_pixel_size={} if source is None else _pixel_size(source),
        )
    return _points_request(widget, source_of(widget), shape)


def _points_request(widget: DeblurWidget, source: Source, shape: tuple[int, ...]) -> PsfRequest:
    points = widget.psf.points.currentData()
    if points is None or len(points.data) == 0:
        raise UsageError(
            "there are no points yet; add a Points layer, put a point on each bead or star, and "
            "choose it here."
        )
    image = widget.input.layer
    assert image is not None
    roles = widget.input.chosen_roles()
    places = np.array([image.world_to_data(points.data_to_world(point)) for point in points.data])
    position = widget.input.position()
    deep = "Z" in roles
    index = tuple(
        slice(None) if role == "Z" else slice(p, p + 1)
        for role, p in zip(roles, position, strict=True)
    )
    whole = (slice(None),) * (source.data.ndim - len(index))
    data = sliced(source.data, (*index, *whole))
    drop = tuple(i for i, role in enumerate(roles) if role != "Z")
    axes = ([roles.index("Z")] if deep else []) + [len(roles), len(roles) + 1]
    width, depth = widget.psf.window_width.value() | 1, widget.psf.window_depth.value() | 1
    return PsfRequest(
        "points",
        points.name,
        data=data,
        drop=drop,
        rgb=source.rgb,
        points=places[:, axes].tolist(),
        size=(depth, width, width) if deep else (width, width),
        image_shape=shape,
    )


def _spatial(source: Source, roles: tuple[str, ...]) -> tuple[int, ...]:
    deep = [n for n, role in zip(source.leading, roles, strict=True) if role == "Z"]
    return (*deep, *source.shape[-2:])


def _pixel_size(source: Source) -> dict[str, float]:
    """Return the size of a pixel along the last three axes, where their unit is a length."""
    steps = zip("XYZ", reversed(source.scale), reversed(source.units), strict=False)
    return {axis: size for axis, size, unit in steps if unit != "pixel"}


def _check(widget: DeblurWidget) -> None:
    problem = widget.problem()
    if problem:
        raise UsageError(problem)
