"""Between a napari layer and an `unblur.Image`: axes, scale, units, and all the way back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from unblur.errors import ImageError
from unblur.model.image import AXES, Image, default_white

if TYPE_CHECKING:
    import napari

MARK = "unblur_preview"
"""Key in the metadata of layers that the widget shows for a while and never offers as input."""

ROLES = {"T": "time", "C": "channel", "Z": "depth"}
"""What a leading axis can be; the last two are always rows and columns."""

IN_MEMORY = 2**28
"""Bytes up to which a layer that is read in pieces is taken into memory whole."""

_LABELS = {"t": "T", "time": "T", "c": "C", "ch": "C", "channel": "C", "z": "Z", "depth": "Z"}
_COLOURS = ("red", "green", "blue", "alpha")
_FEW_CHANNELS = 4


@dataclass(frozen=True, eq=False)
class Source:
    """What the widget needs of an image layer, copied so that a worker can use it.

    Attributes
    ----------
    name : str
        The layer's name.
    data : array
        Full resolution: numpy, dask, zarr or like them; axes (leading..., Y, X) and, where
        `rgb`, colours last.
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
        Keyword arguments that make another layer look like this one.
    is_large : bool
        Whether the values are read piece by piece and too many for memory, so that the result
        goes to disk.
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

    @classmethod
    def of(cls, layer: napari.layers.Image) -> Source:
        """Copy what is needed of `layer`; no pixel is touched."""
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
            # Colours are shown as they are; napari ignores the rest for them.
            style.pop("colormap")
        return cls(
            name=layer.name,
            data=data,
            rgb=bool(layer.rgb),
            labels=tuple(layer.axis_labels),
            scale=tuple(float(s) for s in layer.scale),
            units=tuple(f"{unit:~}" if unit != "pixel" else "pixel" for unit in layer.units),
            path=_file_of(layer),
            style=style,
            is_large=not isinstance(data, np.ndarray) and _bytes(data) > IN_MEMORY,
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """Extent of the axes, without the colours."""
        shape = tuple(int(n) for n in self.data.shape)
        return shape[:-1] if self.rgb else shape

    @property
    def leading(self) -> tuple[int, ...]:
        """Extent of the axes before rows and columns."""
        return self.shape[:-2]

    def guessed_roles(self) -> tuple[str, ...]:
        """Return a role for each leading axis: by its label, else by its length and place."""
        named = [_LABELS.get(label.strip().lower(), "") for label in self.labels[:-2]]
        free = [r for r in _likely(self.leading, self.rgb) if r not in named]
        roles = []
        for role in named:
            if role and role not in roles:
                roles.append(role)
            else:
                roles.append(next((r for r in free if r not in roles), "T"))
        return tuple(roles)

    def world(self, offset: Sequence[float]) -> Any:
        """Return the `translate` of a layer whose first pixel is this layer's at `offset`."""
        from napari.utils.transforms import Affine

        style = self.style
        return Affine(
            scale=style["scale"],
            rotate=style["rotate"],
            shear=style["shear"],
            translate=style["translate"],
            ndim=len(self.shape),
        )(np.asarray(offset, float))


@dataclass(frozen=True)
class Cut:
    """A part of a layer: one slice per axis, and what the leading axes mean.

    Attributes
    ----------
    index : tuple of slice
        Along each axis, colours left out; never an integer, so that axes stay.
    roles : tuple of str
        "T", "C" or "Z" for each leading axis.
    """

    index: tuple[slice, ...]
    roles: tuple[str, ...]

    def image(self, source: Source, white: float = 0.0) -> Image:
        """Return the part as an image with canonical axes. May be slow; call it in a worker.

        Raises
        ------
        ImageError
            If two axes have the same role.
        """
        letters = self._letters(source)
        repeated = next((a for a in letters if letters.count(a) > 1), "")
        if repeated:
            raise ImageError(
                f"{source.name}: two axes are set to {ROLES.get(repeated, repeated)}; give each "
                "its own meaning under Input"
                + (" (the colours are the channels of this layer)." if source.rgb else ".")
            )
        data = sliced(source.data, (*self.index, slice(None)) if source.rgb else self.index)
        order = sorted(range(len(letters)), key=lambda i: AXES.index(letters[i]))
        axes = "".join(letters[i] for i in order)
        sizes = dict(zip(letters, source.scale, strict=False))
        units = dict(zip(letters, source.units, strict=False))
        known = [a for a in axes if units.get(a, "pixel") != "pixel" and a != "C"]
        return Image(
            data=data.transpose(order),
            axes=axes,
            pixel_size={a: sizes[a] for a in known},
            units={a: units[a] for a in known},
            white=white,
            channels=_COLOURS[: source.data.shape[-1]] if source.rgb else (),
            source=source.name,
        )

    def restore(self, source: Source, data: Any) -> Any:
        """Return values with canonical axes in the layer's own order."""
        letters = self._letters(source)
        order = sorted(range(len(letters)), key=lambda i: AXES.index(letters[i]))
        return data.transpose([order.index(i) for i in range(len(order))])

    def offset(self) -> tuple[int, ...]:
        """Return where the part begins."""
        return tuple(s.start or 0 for s in self.index)

    def _letters(self, source: Source) -> str:
        return "".join(self.roles) + "YX" + ("C" if source.rgb else "")


def sliced(data: Any, index: tuple[slice, ...]) -> Any:
    """Return a part of an array: a view of a numpy one, a dask array of any other."""
    if isinstance(data, np.ndarray) or hasattr(data, "dask"):
        return data[index]
    import dask.array as da

    from_array: Any = da.from_array
    return from_array(data, chunks=getattr(data, "chunks", "auto"))[index]


def white_of(source: Source) -> float:
    """Return the value that counts as 1 in the whole layer. Slow for large layers of floats."""
    return default_white(sliced(source.data, (slice(None),) * source.data.ndim))


def like(source: Source, name: str, offset: Sequence[int], **changes: Any) -> dict[str, Any]:
    """Return keyword arguments for a layer that lies and looks like `source`."""
    style = dict(source.style)
    if any(offset):
        style["translate"] = source.world(offset)
    return {**style, "name": name, **changes}


def _bytes(data: Any) -> int:
    size: int = np.dtype(data.dtype).itemsize
    return prod(int(n) for n in data.shape) * size


def _likely(lengths: Sequence[int], rgb: bool) -> list[str]:
    # A short axis is channels unless colours are; of the others, depth comes after time.
    roles = ["Z"] if len(lengths) == 1 else ["T", "Z"] if len(lengths) == 2 else ["T", "C", "Z"]
    short = [i for i, n in enumerate(lengths) if n <= _FEW_CHANNELS]
    if short and not rgb and "C" not in roles:
        rest = ["Z"] if len(lengths) == 2 else []
        return [rest.pop() if i != short[0] and rest else "C" for i in range(len(lengths))]
    return roles


def _file_of(layer: Any) -> str | None:
    path = getattr(layer.source, "path", None)
    return str(Path(path)) if path else None
