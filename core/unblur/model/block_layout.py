"""How an image of any axes falls into the blocks (C, *spatial) that stages work on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from unblur.model.image import ALPHA, AXES, Image

Index = tuple[Any, ...]


@dataclass(frozen=True)
class Layout:
    """Blocks of an image seen as TCZYX, axes that it lacks having length 1.

    Parameters
    ----------
    shape : tuple of int
        Extent along T, C, Z, Y, X.
    colours : tuple of int
        Channels that are deblurred: all but alpha.
    volumetric : bool
        Whether a block is a volume (C, Z, Y, X) or a plane (C, Y, X).
    """

    shape: tuple[int, int, int, int, int]
    colours: tuple[int, ...]
    volumetric: bool = False

    @classmethod
    def of(cls, image: Image, volumetric: bool = False) -> Layout:
        """Return the layout of `image`."""
        t, c, z, y, x = (image.extent(axis) for axis in AXES)
        alpha = image.channels.index(ALPHA) if ALPHA in image.channels else -1
        return cls((t, c, z, y, x), tuple(i for i in range(c) if i != alpha), volumetric)

    @property
    def spatial(self) -> tuple[int, ...]:
        """Extent of a block's spatial axes."""
        return self.shape[2:] if self.volumetric else self.shape[3:]

    @property
    def count(self) -> int:
        """Number of blocks."""
        return self.shape[0] * (1 if self.volumetric else self.shape[2])

    @property
    def channels(self) -> Any:
        """Index of the deblurred channels: a slice where they adjoin, which copies nothing."""
        first, last = self.colours[0], self.colours[-1]
        adjoin = self.colours == tuple(range(first, last + 1))
        return slice(first, last + 1) if adjoin else list(self.colours)

    def blocks(self) -> Iterator[Index]:
        """Yield the index of each block, all channels, into the TCZYX view."""
        for t in range(self.shape[0]):
            if self.volumetric:
                yield (t, slice(None))
            else:
                yield from ((t, slice(None), z) for z in range(self.shape[2]))

    def view(self, data: Any) -> Any:
        """Return `data` (numpy or dask) with all five axes."""
        return data.reshape(self.shape)


def name_block(layout: Layout, index: Index) -> str:
    """Return what to call a block in a message, e.g. "time 3, plane 7"; "" for the only one."""
    parts = [f"time {index[0]}"] if layout.shape[0] > 1 else []
    if not layout.volumetric and layout.shape[2] > 1:
        parts.append(f"plane {index[2]}")
    return ", ".join(parts)
