"""Coordinates that OME-Zarr images of versions 0.4 to 0.6 state: axes, pixel sizes, positions.

Up to version 0.5 an image has `axes`, and each level a scale and a translation. Version 0.6 has
named `coordinateSystems`; the transformations of all levels lead to one of them, the intrinsic
one, and further transformations of the image lead on to others
(https://ngff.openmicroscopy.org, RFC-5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unblur.errors import ImageError
from unblur.io.zarr.transformations import combine_transformations
from unblur.model.image import AXES

Entry = Mapping[str, Any]
"""An object of the metadata: an axis, a transformation, a coordinate system."""

_KEPT, _LEFT_OUT = "they are kept in the result", "they are left out of the result"
LINKS = ("input", "output")
"""Keys that tie a transformation to its coordinate systems."""


@dataclass(frozen=True)
class Coordinates:
    """The coordinates of the full-size level, along the axes of the stored array.

    Attributes
    ----------
    entries : tuple of mapping
        The axes, with names and units, that the pixel sizes refer to.
    scale : tuple of float
        Size of a pixel; NaN where it is not known.
    translation : tuple of float
        Position of the first pixel, in the intrinsic coordinate system.
    ratio : tuple of float
        `scale` over the pixel size in the intrinsic coordinate system, which is not 1 where the
        units are those of another system.
    intrinsic, system : str
        Names of the intrinsic coordinate system and of the one whose units count; empty before
        version 0.6.
    steps : tuple of mapping
        The transformations of the level as stored, where they are more than a scale and a
        translation.
    links_are_names : bool
        Whether transformations refer to systems by strings, as in early drafts of 0.6, rather
        than objects.
    notes : tuple of str
        Sentences for the user about what was not understood.
    """

    entries: tuple[Entry, ...]
    scale: tuple[float, ...]
    translation: tuple[float, ...]
    ratio: tuple[float, ...]
    intrinsic: str = ""
    system: str = ""
    steps: tuple[Entry, ...] = ()
    links_are_names: bool = False
    notes: tuple[str, ...] = ()

    def reordered(self, names: str, order: str) -> Coordinates:
        """Return the coordinates along `order` instead of the axes `names` of the array.

        A result in another order than its input has the intrinsic system only, scaled as the
        one whose units count; transformations beyond a scale and a translation are left out.
        """
        if names == order:
            return self
        at = [names.index(axis) for axis in order]
        notes = self.notes
        if self.steps:
            notes = tuple(n.replace(_KEPT, _LEFT_OUT) for n in notes)
        moved = [self.translation[i] * self.ratio[i] for i in at]
        return replace(
            self,
            entries=(),
            scale=tuple(self.scale[i] for i in at),
            translation=tuple(moved),
            ratio=(1.0,) * len(at),
            system=self.intrinsic,
            steps=(),
            notes=notes,
        )


def read_coordinates(
    multiscale: Entry, dataset: Entry, ndim: int, group: Any, source: str
) -> Coordinates:
    """Return the coordinates of a level of an image.

    Parameters
    ----------
    multiscale, dataset : mapping
        Metadata of the image and of the level.
    ndim : int
        Number of axes of the level.
    group : zarr.Group
        Group of the image, which may hold matrices of transformations.
    source : str
        Path, for messages.

    Raises
    ------
    ImageError
        If the image states an empty list of coordinate systems.
    """
    steps = tuple(dataset.get("coordinateTransformations") or ())
    further = tuple(multiscale.get("coordinateTransformations") or ())
    if "coordinateSystems" not in multiscale:
        axes = [a if isinstance(a, Mapping) else {"name": a} for a in multiscale.get("axes", ())]
        entries = tuple(axes or [{"name": a.lower()} for a in AXES])
        matrix = combine_transformations((*steps, *further), ndim, group)
        place = _place(matrix, ndim, (*steps, *further), source)
        return Coordinates(entries, *place.numbers, notes=place.notes_with(_LEFT_OUT))
    systems = {str(s.get("name")): s for s in multiscale["coordinateSystems"]}
    if not systems:
        raise ImageError(f"{source}: its list of coordinate systems is empty; export it again.")
    output = steps[-1].get("output") if steps else None
    intrinsic = name_of(output) if name_of(output) in systems else next(iter(systems))
    place = _place(combine_transformations(steps, ndim, group), ndim, steps, source)
    chosen, ratio = _with_units(intrinsic, systems, further, ndim, group)
    scale, translation, _ = place.numbers
    return Coordinates(
        tuple(systems[chosen].get("axes", ())),
        tuple(s * r for s, r in zip(scale, ratio, strict=True)),
        translation,
        ratio,
        intrinsic,
        chosen,
        steps if place.notes else (),
        isinstance(output, str),
        place.notes_with(_KEPT),
    )


@dataclass(frozen=True)
class _Place:
    numbers: tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]
    notes: tuple[str, ...] = ()

    def notes_with(self, end: str) -> tuple[str, ...]:
        return tuple(f"{note}; {end}." for note in self.notes)


def _place(
    matrix: NDArray[np.float64] | None, ndim: int, steps: Sequence[Entry], source: str
) -> _Place:
    """Return scale, translation and ratio 1 of a transformation, and what is odd about it."""
    ones = (1.0,) * ndim
    kinds = ", ".join(f"'{step.get('type')}'" for step in steps)
    if matrix is None:
        note = f"{source}: its coordinate transformations ({kinds}) are not understood, so that "
        note += "pixel sizes are not known"
        return _Place(((float("nan"),) * ndim, (0.0,) * ndim, ones), (note,))
    linear, shift = matrix[:ndim, :ndim], tuple(matrix[:ndim, ndim].tolist())
    diagonal = np.diag(linear)
    if np.array_equal(linear, np.diag(diagonal)) and (diagonal > 0).all():
        return _Place((tuple(diagonal.tolist()), shift, ones))
    sizes = tuple(np.linalg.norm(linear, axis=0).tolist())
    note = (
        f"{source}: its coordinate transformations ({kinds}) turn, shear or mirror the image; "
        "pixel sizes are the lengths of one step along each axis"
    )
    return _Place((sizes, shift, ones), (note,))


def _with_units(
    intrinsic: str, systems: Mapping[str, Entry], further: Sequence[Entry], ndim: int, group: Any
) -> tuple[str, tuple[float, ...]]:
    """Return the system whose units count, and its scale over the intrinsic one's.

    That is the intrinsic system, unless it lacks units and another, to which it is scaled, has
    them.
    """
    ones = (1.0,) * ndim
    if _has_unit(systems[intrinsic]):
        return intrinsic, ones
    for step in further:
        ends = [name_of(step.get(end)) for end in LINKS]
        if intrinsic not in ends or any(path_of(step.get(end)) for end in LINKS):
            continue
        other = ends[1] if ends[0] == intrinsic else ends[0]
        matrix = combine_transformations([step], ndim, group)
        if other not in systems or matrix is None or not _has_unit(systems[other]):
            continue
        diagonal = np.diag(matrix)[:ndim]
        linear = matrix[:ndim, :ndim]
        if np.array_equal(linear, np.diag(diagonal)) and (diagonal > 0).all():
            ratio = diagonal if ends[0] == intrinsic else 1 / diagonal
            return other, tuple(ratio.tolist())
    return intrinsic, ones


def _has_unit(system: Entry) -> bool:
    return any(axis.get("unit") for axis in system.get("axes", ()) if axis.get("type") == "space")


def name_of(link: Any) -> str:
    """Return the name of a coordinate system in `input` or `output`."""
    return str(link.get("name") or "") if isinstance(link, Mapping) else str(link or "")


def path_of(link: Any) -> str:
    """Return the path of another group in `input` or `output`, empty for the same group."""
    return str(link.get("path") or "") if isinstance(link, Mapping) else ""
