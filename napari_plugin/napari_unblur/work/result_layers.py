"""Layers that show results, and the levels of results that were written to disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_unblur.model.kernel_layers import field_layer, kernel_layer
from napari_unblur.model.layer_job import JobResult
from napari_unblur.model.layers import REPORT_KEY, LayerSnapshot, layer_style
from unblur.model.kernel import KernelField

if TYPE_CHECKING:
    import napari


def show_result(viewer: napari.viewer.Viewer, result: JobResult) -> Any:
    """Add the deblurred image at the position of its source, and return its layer."""
    snapshot = result.job.snapshot
    crop = result.job.crop
    metadata = {
        REPORT_KEY: result.report.model_dump(mode="json"),
        **crop.file_metadata(snapshot),
    }
    offset = crop.offset()
    style = layer_style(snapshot, f"{snapshot.name} (deblurred)", offset, metadata=metadata)
    if result.is_multiscale:
        style["multiscale"] = True
    return viewer.add_image(result.data, **style)


def show_kernel(
    viewer: napari.viewer.Viewer,
    field: KernelField,
    snapshot: LayerSnapshot,
    offset: tuple[int, ...],
    *,
    as_grid: bool = False,
) -> Any:
    """Add the kernel as a small layer, or the kernels of a field as a grid over the image."""
    if field.is_uniform and not as_grid:
        content = kernel_layer(field.mean, snapshot, offset)
    else:
        content = field_layer(field, snapshot, offset)
    return viewer.add_image(content.pop("data"), **content)


def read_levels(path: Path, axes: str) -> list[Any]:
    """Return the resolution levels of a zarr store as dask arrays, the finest first.

    Parameters
    ----------
    path : Path
        An OME-Zarr store, or a zarr array, which has one level.
    axes : str
        Order of axes of the returned arrays.
    """
    import zarr

    opened = zarr.open(path, mode="r")
    if not isinstance(opened, zarr.Group):
        return [_lazy(opened)]
    attributes: Any = dict(opened.attrs)
    multiscale = attributes.get("ome", attributes)["multiscales"][0]
    names = "".join(str(axis["name"]).upper() for axis in multiscale["axes"])
    order = [names.index(axis) for axis in axes]
    return [_lazy(opened[level["path"]]).transpose(order) for level in multiscale["datasets"]]


def _lazy(array: Any) -> Any:
    import dask.array as da

    from_zarr: Any = da.from_zarr
    return from_zarr(array)
