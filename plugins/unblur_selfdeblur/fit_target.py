"""The image as the networks are fitted to it, and their results in the image's own range."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.numerics.colour import merge_luma, split_luma, to_luma
from unblur.numerics.inpaint import fill
from unblur.numerics.kernel_ops import centring_shift, recentre
from unblur.numerics.regions import gradient_energy, most_textured_windows
from unblur.numerics.statistics import contrast_of
from unblur_selfdeblur.optimisation import DipResult, Observation

BRIGHTEN_BELOW = 0.5
"""Largest value of an image, white = 1, below which it is brightened: networks begin at grey."""
RANGE_LOW, RANGE_HIGH = 0.1, 0.9
"""Smallest and largest value, white = 1, of an image that was too dim or exceeded [0, 1]."""
CROP_BELOW = 1e-4
"""Values of the kernel relative to its peak, below which its border is cropped."""


@dataclass(frozen=True)
class FitTarget:
    """The image in the range and with the channels that the networks are fitted to.

    Attributes
    ----------
    data : Observation
        Luma or all channels, within [0, 1], with the valid pixels.
    chroma : (2 or 0, H, W)
        Chroma of a colour image of which the luma alone is deblurred.
    gain, offset : float
        `data = gain * image + offset`.
    """

    data: Observation
    chroma: Tensor
    gain: float
    offset: float

    @classmethod
    def of(cls, blurred: Tensor, mask: Tensor | None, joint: bool) -> FitTarget:
        """Take the luma of a colour image, fill invalid pixels, and fit the range.

        Parameters
        ----------
        blurred : (C, H, W)
            Blurred image, white = 1.
        mask : (H, W), optional
            1 = valid pixel.
        joint : bool
            Whether to keep the three channels of a colour image; other numbers are kept.

        Raises
        ------
        ImageError
            If all valid values are equal.
        """
        valid = None if mask is None or bool(mask.all()) else mask > 0
        if valid is not None:
            blurred = fill(blurred, valid)
        split = blurred.shape[0] == 3 and not joint
        values, chroma = split_luma(blurred) if split else (blurred, blurred[:0])
        contrast_of(values)
        low, high = float(values.min()), float(values.max())
        gain, offset = 1.0, 0.0
        if low < 0 or high > 1 or high < BRIGHTEN_BELOW:
            gain = (RANGE_HIGH - RANGE_LOW) / (high - low)
            offset = RANGE_LOW - gain * low
        return cls(Observation(gain * values + offset, valid), chroma, gain, offset)

    def context(self, context: Context) -> Context:
        """Return a silent context for a stage that is given the data: noise in their unit."""
        noise = None if context.noise is None else self.gain * context.noise
        measured = {"contrast": None, "brightness": None, "saturation_level": None}
        return context.silent().with_(noise=noise, **measured)

    def kernel(self, found: DipResult) -> Kernel:
        """Return the kernel, moved to have its centre of mass in the middle."""
        weights = found.kernel.double().cpu()
        return Kernel(recentre(weights, grow=True).numpy()).cropped(CROP_BELOW)

    def image(self, found: DipResult) -> Tensor:
        """Return the sharp image (C, H, W) in its own range, moved as the kernel is."""
        return self._crop_scene(found.scene, found.kernel.shape[-1], centring_shift(found.kernel))

    def preview(self, scene: Tensor) -> Tensor:
        """Return the central part of a scene as an image (C, H, W) in its own range."""
        return self._crop_scene(scene, scene.shape[-1] - self.data.blurred.shape[-1] + 1, (0, 0))

    def _crop_scene(self, scene: Tensor, size: int, shift: Sequence[int]) -> Tensor:
        height, width = self.data.blurred.shape[-2:]
        top, left = (size - 1 - size // 2 + s for s in shift)
        values = (scene[..., top : top + height, left : left + width] - self.offset) / self.gain
        return merge_luma(values, self.chroma) if self.chroma.shape[0] else values


def progress_with_preview(
    tick: Callable[..., None], target: FitTarget
) -> Callable[[Tensor | None], None]:
    """Return a callback that reports an iteration, with the scene as a preview if it is given."""

    def step(scene: Tensor | None) -> None:
        tick(preview=None if scene is None else target.preview(scene))

    return step


def crop_to_region(
    blurred: Tensor, mask: Tensor | None, region: int | None
) -> tuple[Tensor, Tensor | None, bool]:
    """Return the region of image and mask that is deblurred, and whether it is the whole image."""
    if region is None or max(blurred.shape[-2:]) <= region:
        return blurred, mask, True
    rows, columns = most_textured_square(blurred, mask, region)
    return blurred[:, rows, columns], None if mask is None else mask[rows, columns], False


def most_textured_square(blurred: Tensor, mask: Tensor | None, edge: int) -> tuple[slice, slice]:
    """Return the rows and columns of the square of an image (C, H, W) with the most texture.

    Squares a quarter of their edge apart are compared; a smaller side is taken whole.
    """
    energy = gradient_energy(to_luma(blurred))[0]
    if mask is not None:
        energy = energy * mask[:-1, :-1]
    step = max(edge // 4, 1)
    size = [min(edge, n) for n in energy.shape]
    ((rows, columns),) = most_textured_windows(energy, size, (step, step))
    return slice(rows.start, rows.start + edge), slice(columns.start, columns.start + edge)
