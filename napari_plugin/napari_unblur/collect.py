"""Input data for workers, collected from the panels."""

from __future__ import annotations

import numpy as np

from napari_unblur.model.command import run_command
from napari_unblur.model.draft import Draft
from napari_unblur.model.layer_job import LayerJob
from napari_unblur.model.layers import LayerSnapshot, lazy_slice
from napari_unblur.model.preview_request import PreviewRequest
from napari_unblur.model.psf_request import PsfRequest
from napari_unblur.panels.frame import Frame
from napari_unblur.panels.steps_panel import StepsPanel
from unblur.errors import PipelineError, UsageError


def validated_draft(steps: StepsPanel) -> Draft:
    """Return the draft, or raise `PipelineError` if it cannot run."""
    draft, problem = steps.draft(), steps.problem()
    if draft is None or problem:
        raise PipelineError(problem)
    return draft


def chosen_snapshot(frame: Frame) -> LayerSnapshot:
    """Return a snapshot of the chosen layer, or raise `UsageError` if there is none."""
    snapshot = frame.input.snapshot()
    if snapshot is None:
        raise UsageError("there is no image layer; open an image first.")
    return snapshot


def layer_job(frame: Frame) -> LayerJob:
    """Return the job that Run starts."""
    _check(frame)
    snapshot = chosen_snapshot(frame)
    return LayerJob(
        snapshot=snapshot,
        crop=frame.input.crop(snapshot, frame.input.position()),
        pipeline=validated_draft(frame.steps).pipeline(),
        psf=frame.psf.field(),
        device=frame.options.device.currentData(),
        seed=frame.options.seed.value(),
        output=frame.options.output(snapshot),
    )


def preview_request(frame: Frame) -> PreviewRequest:
    """Return the input of a preview."""
    _check(frame)
    viewport = frame.input.viewport()
    if viewport is None:
        raise UsageError(
            "a preview needs the last two axes in a 2-D view; press Ctrl+Y to leave 3-D, or roll "
            "the axes back with Ctrl+E."
        )
    return PreviewRequest(
        snapshot=chosen_snapshot(frame),
        viewport=viewport,
        roles=frame.input.chosen_roles(),
        draft=validated_draft(frame.steps),
        psf=frame.psf.field(),
        device=frame.options.device.currentData(),
        seed=frame.options.seed.value(),
    )


def command(frame: Frame) -> str:
    """Return the `unblur run` command that is equivalent to Run."""
    snapshot = frame.input.snapshot()
    psf = frame.psf.path.text() if frame.psf.origin == "file" else None
    if frame.psf.origin in ("layer", "points"):
        psf = "PSF.tif"
    return run_command(
        validated_draft(frame.steps),
        image=None if snapshot is None else snapshot.path,
        psf=psf,
        device=frame.options.device.currentData(),
        seed=frame.options.seed.value(),
    )


def psf_request(frame: Frame) -> PsfRequest:
    """Return where to read the PSF from, for the chosen origin."""
    panel, snapshot = frame.psf, frame.input.snapshot()
    shape = () if snapshot is None else _spatial_shape(snapshot, frame.input.chosen_roles())
    sizes, units = ({}, {}) if snapshot is None else _pixel_size(snapshot)
    if panel.origin == "file":
        return PsfRequest(
            "file",
            panel.path.text(),
            image_shape=shape,
            image_pixel_size=sizes,
            image_units=units,
        )
    if panel.origin == "layer":
        layer = panel.layers.currentData()
        if layer is None:
            raise UsageError("choose the layer that holds the PSF.")
        psf = LayerSnapshot.of(layer)
        psf_sizes, psf_units = _pixel_size(psf)
        return PsfRequest(
            "layer",
            layer.name,
            psf.data,
            rgb=psf.rgb,
            image_shape=shape,
            pixel_size=psf_sizes,
            units=psf_units,
            image_pixel_size=sizes,
            image_units=units,
        )
    return _points_request(frame, chosen_snapshot(frame), shape)


def _points_request(frame: Frame, snapshot: LayerSnapshot, shape: tuple[int, ...]) -> PsfRequest:
    points = frame.psf.points.currentData()
    if points is None or len(points.data) == 0:
        raise UsageError(
            "there are no points yet; add a Points layer, put a point on each bead or star, and "
            "choose it here."
        )
    image = frame.input.layer
    assert image is not None
    roles = frame.input.chosen_roles()
    marks = np.array([image.world_to_data(points.data_to_world(point)) for point in points.data])
    position = frame.input.position()
    is_volume = "Z" in roles
    index = tuple(
        slice(None) if role == "Z" else slice(p, p + 1)
        for role, p in zip(roles, position, strict=True)
    )
    rest = (slice(None),) * (snapshot.data.ndim - len(index))
    axes = ([roles.index("Z")] if is_volume else []) + [len(roles), len(roles) + 1]
    width, depth = frame.psf.window_width.value() | 1, frame.psf.window_depth.value() | 1
    return PsfRequest(
        "points",
        points.name,
        data=lazy_slice(snapshot.data, (*index, *rest)),
        drop=tuple(i for i, role in enumerate(roles) if role != "Z"),
        rgb=snapshot.rgb,
        points=marks[:, axes].tolist(),
        size=(depth, width, width) if is_volume else (width, width),
        image_shape=shape,
    )


def _spatial_shape(snapshot: LayerSnapshot, roles: tuple[str, ...]) -> tuple[int, ...]:
    depth = [n for n, role in zip(snapshot.leading, roles, strict=True) if role == "Z"]
    return (*depth, *snapshot.shape[-2:])


def _pixel_size(snapshot: LayerSnapshot) -> tuple[dict[str, float], dict[str, str]]:
    """Return size and unit of a pixel along the last three axes that have a unit."""
    steps = list(zip("XYZ", reversed(snapshot.scale), reversed(snapshot.units), strict=False))
    known = [(axis, size, unit) for axis, size, unit in steps if unit != "pixel"]
    return {axis: size for axis, size, _ in known}, {axis: unit for axis, _, unit in known}


def _check(frame: Frame) -> None:
    problem = frame.problem()
    if problem:
        raise UsageError(problem)
