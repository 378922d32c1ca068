"""From the image to what the networks can generate, and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor
from torch.nn import functional

from unblur.errors import ImageError
from unblur.model.kernel import Kernel
from unblur.numerics.colour import merge_luma, split_luma, to_luma
from unblur.numerics.contrast import contrast_of
from unblur_selfdeblur.optimisation import Data, Optimum

DIM = 0.5
"""Largest value below which an image is brightened: the networks start from grey."""
LOW, HIGH = 0.1, 0.9
"""Where the values of an image go that is too dim, or lies beyond [0, 1]."""
ABSENT = 1e-4
"""Share of the kernel's peak below which its border is cut off."""


@dataclass(frozen=True)
class Prepared:
    """An image as the networks see it.

    Attributes
    ----------
    data : Data
        Luma or all channels, within [0, 1].
    chroma : (2 or 0, H, W)
        What is left as it is.
    gain, offset : float
        `data = gain * image + offset`.
    """

    data: Data
    chroma: Tensor
    gain: float
    offset: float

    @classmethod
    def of(cls, blurred: Tensor, mask: Tensor | None, joint: bool) -> Prepared:
        """Take luma where there are colours, fill in what is masked, and fit the range.

        Parameters
        ----------
        blurred : (C, H, W)
            White = 1.
        mask : (H, W), optional
            1 where a pixel may be trusted.
        joint : bool
            Whether to keep the three channels of a colour image. Any other number is kept.

        Raises
        ------
        ImageError
            If all trusted values are equal.
        """
        trusted = None if mask is None or bool(mask.all()) else mask > 0
        if trusted is not None:
            blurred = _filled(blurred, trusted)
        split = blurred.shape[0] == 3 and not joint
        values, chroma = split_luma(blurred) if split else (blurred, blurred[:0])
        contrast_of(values)
        low, high = float(values.min()), float(values.max())
        gain, offset = 1.0, 0.0
        if low < 0 or high > 1 or high < DIM:
            gain = (HIGH - LOW) / (high - low)
            offset = LOW - gain * low
        return cls(Data(gain * values + offset, trusted), chroma, gain, offset)

    def kernel(self, found: Optimum) -> Kernel:
        """Return the kernel with its centre of mass in the middle."""
        weights = found.kernel.double().cpu()
        moved = _moved(weights, _shift(weights))
        return Kernel(moved.numpy()).cropped(ABSENT)

    def image(self, found: Optimum) -> Tensor:
        """Return the sharp image (C, H, W), to which the moved kernel belongs, in its own range."""
        return self._cut(found.scene, found.kernel.shape[-1], _shift(found.kernel))

    def preview(self, scene: Tensor) -> Tensor:
        """Return the middle of a scene as an image (C, H, W) in its own range."""
        return self._cut(scene, scene.shape[-1] - self.data.blurred.shape[-1] + 1, (0, 0))

    def _cut(self, scene: Tensor, size: int, shift: tuple[int, int]) -> Tensor:
        height, width = self.data.blurred.shape[-2:]
        top, left = (size - 1 - size // 2 + s for s in shift)
        values = (scene[..., top : top + height, left : left + width] - self.offset) / self.gain
        return merge_luma(values, self.chroma) if self.chroma.shape[0] else values


def _shift(kernel: Tensor) -> tuple[int, int]:
    """Return by how many pixels a kernel must move for its centre of mass to lie at n // 2."""
    shifts = []
    for axis, n in enumerate(kernel.shape):
        profile = kernel.sum(1 - axis)
        place = torch.arange(n, dtype=kernel.dtype, device=kernel.device)
        shifts.append(n // 2 - round(float((profile * place).sum() / profile.sum())))
    return shifts[0], shifts[1]


def _moved(kernel: Tensor, shift: tuple[int, int]) -> Tensor:
    """Return a kernel moved in a frame that is large enough to lose nothing."""
    grow = max(abs(s) for s in shift)
    larger = functional.pad(kernel, [grow] * 4)
    return torch.roll(larger, shift, (0, 1))


def _filled(blurred: Tensor, trusted: Tensor) -> Tensor:
    """Return the image with the nearest trusted value wherever a value is not trusted."""
    if not bool(trusted.any()):
        raise ImageError("no pixel of the image may be trusted, so there is no blur to be found.")
    nearest = distance_transform_edt(
        (~trusted).cpu().numpy(), return_distances=False, return_indices=True
    )
    rows, columns = torch.from_numpy(nearest).to(blurred.device)
    return blurred[:, rows, columns]


def shown(tick: Callable[..., None], prepared: Prepared) -> Callable[[Tensor | None], None]:
    """Return what counts an iteration and passes on the scene as a preview, where there is one."""

    def step(scene: Tensor | None) -> None:
        tick(preview=None if scene is None else prepared.preview(scene))

    return step


def looked_at(
    blurred: Tensor, mask: Tensor | None, region: int | None
) -> tuple[Tensor, Tensor | None, bool]:
    """Return the part of image and mask that is worked on, and whether it is all of it."""
    if region is None or max(blurred.shape[-2:]) <= region:
        return blurred, mask, True
    rows, columns = telling_square(blurred, mask, region)
    return blurred[:, rows, columns], None if mask is None else mask[rows, columns], False


def telling_square(blurred: Tensor, mask: Tensor | None, edge: int) -> tuple[slice, slice]:
    """Return the rows and columns of the square of an image (C, H, W) with the most texture.

    Squares a quarter of their edge apart are compared; a smaller side is taken whole.
    """
    luma = to_luma(blurred)
    energy = luma.diff(dim=-1)[..., :-1, :].square() + luma.diff(dim=-2)[..., :-1].square()
    if mask is not None:
        energy = energy * mask[:-1, :-1]
    extent = [min(edge, n) for n in energy.shape[-2:]]
    step = max(edge // 4, 1)
    sums = functional.avg_pool2d(energy, extent, step)[0]
    row, column = divmod(int(sums.argmax()), sums.shape[1])
    top, left = row * step, column * step
    return slice(top, top + edge), slice(left, left + edge)
