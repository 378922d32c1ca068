"""Conversion of napari image layers to `unblur.Image` and back: axes, scale, units, style."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unblur.model.file_facts import FILE_KEY, facts_of, fits_layer, white_of, with_facts
from unblur.errors import ImageError
from unblur.model.image import AXES, Image, default_white, positive_sizes
from unblur.model.units import symbol

PREVIEW_KEY = "unblur_preview"
"""Key in the metadata of preview layers, which are never offered as input."""

REPORT_KEY = "unblur"
"""Key in the metadata of result layers that holds the report of the run."""

ROLES = {"T": "time", "C": "channel", "Z": "depth"}
"""Roles of leading axes, by letter; the last two axes are always rows and columns."""

IN_MEMORY = 2**28
"""Largest size of a lazy layer that is loaded into memory as a whole, in bytes."""

_LABELS = {"t": "T", "time": "T", "c": "C", "ch": "C", "channel": "C", "z": "Z", "depth": "Z"}
_COLOURS = ("red", "green", "blue", "alpha")
_FEW_CHANNELS = 4
"""Largest length of an axis that is taken for channels, in samples."""


@dataclass(frozen=True, eq=False)
class LayerSnapshot:
    """Data and metadata of an image layer, copied so that a worker thread can use them.

    Attributes
    ----------
    name : str
        The layer's name.
    data : array
        The finest resolution: numpy, dask, zarr or similar; axes (leading..., Y, X), then the
        colours where `rgb`.
    rgb : bool
        Whether the last axis holds colours.
    labels : tuple of str
        The layer's axis labels, without the colours.
    scale : tuple of float
        Size of a pixel along each axis, without the colours.
    units : tuple of str
        Unit of each scale, e.g. "µm"; "pixel" where none was set.
    path : str, optional
        The file that the layer was read from.
    style : mapping
        Keyword arguments of a layer with the same position and appearance.
    is_large : bool
        Whether the layer is lazy and too large for memory, so that the result is written to
        disk.
    file : mapping
        What the file of the layer states, as `facts_of` returns it; empty for other layers.
    """

    name: str
    data: Any
    rgb: bool
    labels: tuple[str, ...]
    scale: tuple[float, ...]
    units: tuple[str, ...]
    path: str | None
    style: Mapping[str, Any] = field(repr=False)
    is_large: bool = False
    file: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, layer: Any, in_memory: int = IN_MEMORY) -> LayerSnapshot:
        """Copy the metadata of a layer; pixels are referenced, not read.

        Parameters
        ----------
        layer : napari.layers.Image
            The layer.
        in_memory : int
            Largest size of a lazy layer that is loaded into memory as a whole, in bytes.
        """
        data = layer.data[0] if layer.multiscale else layer.data
        style = {
            "scale": layer.scale.copy(),
            "translate": layer.translate.copy(),
            "rotate": np.array(layer.rotate),
            "shear": np.array(layer.shear),
            "affine": np.array(layer.affine.affine_matrix),
            "units": layer.units,
            "axis_labels": layer.axis_labels,
            "colormap": layer.colormap,
            "contrast_limits": list(layer.contrast_limits),
            "gamma": layer.gamma,
            "blending": layer.blending,
            "opacity": layer.opacity,
            "interpolation2d": layer.interpolation2d,
            "rendering": layer.rendering,
            "rgb": layer.rgb,
        }
        if layer.rgb:
            # napari ignores colour maps for RGB layers.
            style.pop("colormap")
        return cls(
            name=layer.name,
            data=data,
            rgb=bool(layer.rgb),
            labels=tuple(layer.axis_labels),
            scale=tuple(float(s) for s in layer.scale),
            units=tuple(
                symbol(f"{unit:~}") if unit != "pixel" else "pixel" for unit in layer.units
            ),
            path=_file_of(layer),
            style=style,
            is_large=not isinstance(data, np.ndarray) and _nbytes(data) > in_memory,
            file=layer.metadata.get(FILE_KEY, {}),
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """Extent of each axis, without the colours, in pixels."""
        shape = tuple(int(n) for n in self.data.shape)
        return shape[:-1] if self.rgb else shape

    @property
    def leading(self) -> tuple[int, ...]:
        """Extent of each axis before rows and columns."""
        return self.shape[:-2]

    def guessed_roles(self) -> tuple[str, ...]:
        """Return a role for each leading axis, from its label, else its length and position."""
        named = [_LABELS.get(label.strip().lower(), "") for label in self.labels[:-2]]
        free = [r for r in _roles_by_length(self.leading, self.rgb) if r not in named]
        roles = []
        for role in named:
            if role and role not in roles:
                roles.append(role)
            else:
                roles.append(next((r for r in free if r not in roles), "T"))
        return tuple(roles)

    def translate(self, offset: Sequence[float]) -> NDArray[np.float64]:
        """Return the `translate` of a layer whose first pixel is this layer's at `offset`.

        Parameters
        ----------
        offset : sequence of float
            Position in pixels along each axis, colours left out.

        Returns
        -------
        (ndim,) array
            In the units of the layer; `scale`, `rotate` and `shear` are applied as napari does.
        """
        style, ndim = self.style, len(self.shape)
        shear = np.eye(ndim)
        shear[np.triu_indices(ndim, 1)] = style["shear"]
        linear = np.asarray(style["rotate"]) @ shear @ np.diag(style["scale"])
        position: NDArray[np.float64] = linear @ np.asarray(offset, float) + style["translate"]
        return position


@dataclass(frozen=True)
class LayerCrop:
    """A part of a layer: one slice for each axis, and the roles of the leading axes.

    Attributes
    ----------
    index : tuple of slice
        Along each axis, colours left out; never an integer, so that no axis is dropped.
    roles : tuple of str
        "T", "C" or "Z" for each leading axis.
    """

    index: tuple[slice, ...]
    roles: tuple[str, ...]

    def image(self, snapshot: LayerSnapshot, white: float = 0.0) -> Image:
        """Return the part as an image with canonical axes. May read files; call it in a worker.

        Raises
        ------
        ImageError
            If two axes have the same role.
        """
        letters = self._letters(snapshot)
        repeated = next((a for a in letters if letters.count(a) > 1), "")
        if repeated:
            raise ImageError(
                f"{snapshot.name}: two axes are set to {ROLES.get(repeated, repeated)}; choose a "
                "different role for each under Input"
                + (" (the colours are the channels of this layer)." if snapshot.rgb else ".")
            )
        data = lazy_slice(snapshot.data, (*self.index, slice(None)) if snapshot.rgb else self.index)
        order = sorted(range(len(letters)), key=lambda i: AXES.index(letters[i]))
        axes = "".join(letters[i] for i in order)
        sizes = dict(zip(letters, snapshot.scale, strict=False))
        units = dict(zip(letters, snapshot.units, strict=False))
        known = [a for a in axes if units.get(a, "pixel") != "pixel" and a != "C"]
        image = Image(
            data=data.transpose(order),
            axes=axes,
            pixel_size=positive_sizes({a: sizes[a] for a in known}),
            units={a: units[a] for a in known},
            white=white or white_of(snapshot.file, data.dtype),
            channels=_COLOURS[: snapshot.data.shape[-1]] if snapshot.rgb else (),
            source=snapshot.name,
        )
        if not self._is_as_filed(snapshot):
            return image
        first = dict(zip(letters, self.offset(), strict=False))
        return with_facts(image, snapshot.file, first)

    def restore(self, snapshot: LayerSnapshot, data: Any) -> Any:
        """Return values with canonical axes in the layer's own order of axes."""
        letters = self._letters(snapshot)
        order = sorted(range(len(letters)), key=lambda i: AXES.index(letters[i]))
        return data.transpose([order.index(i) for i in range(len(order))])

    def offset(self) -> tuple[int, ...]:
        """Return the position of the first pixel of the part."""
        return tuple(s.start or 0 for s in self.index)

    def file_metadata(self, snapshot: LayerSnapshot) -> dict[str, Any]:
        """Return what the file states of this part, as metadata of a layer with its result."""
        if not self._is_as_filed(snapshot):
            return {}
        white = snapshot.file["white"]
        return {FILE_KEY: facts_of(self.image(snapshot, white), source=None)}

    def _is_as_filed(self, snapshot: LayerSnapshot) -> bool:
        shape = dict(zip(self._letters(snapshot), snapshot.data.shape, strict=True))
        return fits_layer(snapshot.file, shape, snapshot.data.dtype)

    def _letters(self, snapshot: LayerSnapshot) -> str:
        return "".join(self.roles) + "YX" + ("C" if snapshot.rgb else "")


def lazy_slice(data: Any, index: tuple[slice, ...]) -> Any:
    """Return a part of an array: a view of a numpy array, a dask array of any other."""
    if isinstance(data, np.ndarray) or hasattr(data, "dask"):
        return data[index]
    import dask.array as da

    from_array: Any = da.from_array
    return from_array(data, chunks=getattr(data, "chunks", "auto"))[index]


def layer_white(snapshot: LayerSnapshot) -> float:
    """Return the value of the whole layer that is scaled to 1. Slow for large float layers."""
    stated = white_of(snapshot.file, snapshot.data.dtype)
    whole = (slice(None),) * snapshot.data.ndim
    return stated or default_white(lazy_slice(snapshot.data, whole))


def layer_style(
    snapshot: LayerSnapshot, name: str, offset: Sequence[int], **changes: Any
) -> dict[str, Any]:
    """Return keyword arguments of a layer with the appearance of `snapshot`, placed at `offset`."""
    style = dict(snapshot.style)
    if any(offset):
        style["translate"] = snapshot.translate(offset)
    return {**style, "name": name, **changes}


def _nbytes(data: Any) -> int:
    size: int = np.dtype(data.dtype).itemsize
    return prod(int(n) for n in data.shape) * size


def _roles_by_length(lengths: Sequence[int], rgb: bool) -> list[str]:
    # A short axis is taken for channels, unless the layer is RGB. Time comes before depth. Of three
    # axes the channels are the second, or the last where only that is short, as ImageJ orders them.
    if len(lengths) == 3 and lengths[2] <= _FEW_CHANNELS < lengths[1] and not rgb:
        return ["T", "Z", "C"]
    roles = ["Z"] if len(lengths) == 1 else ["T", "Z"] if len(lengths) == 2 else ["T", "C", "Z"]
    short = [i for i, n in enumerate(lengths) if n <= _FEW_CHANNELS]
    if short and not rgb and "C" not in roles:
        rest = ["Z"] if len(lengths) == 2 else []
        return [rest.pop() if i != short[0] and rest else "C" for i in range(len(lengths))]
    return roles


def _file_of(layer: Any) -> str | None:
    stated = layer.metadata.get(FILE_KEY)
    if stated is not None:
        return stated["source"]  # with the part, of a file with several images
    path = getattr(layer.source, "path", None)
    return str(Path(path)) if path else None
