"""Noise, contrast, brightness and light of a whole image, which all its tiles share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from unblur.engine.intake.normalization import Flags, Normalization
from unblur.model.context import Context
from unblur.model.stages import Deconvolver, Stage
from unblur.numerics.noise import estimate_noise
from unblur.numerics.regions import gradient_energy

LARGEST_ERROR = 0.02
"""Largest change of the sum of values by a method that keeps it, as a fraction of the input's."""

LARGEST_CLIPPED_LIGHT = 1e-4
"""Largest light that the limit of an integer type may cut off without a warning, as a fraction of
the input's."""

STRIP = 256
"""Number of rows whose moments are computed together, so that their copies of double precision
take little memory, a count."""

Block = tuple[torch.Tensor, torch.Tensor | None]
"""Values (C, *spatial), white = 1, and the mask (*spatial) of valid pixels, if any is not."""


@dataclass(frozen=True)
class ImageStatistics:
    """Noise, contrast and brightness of the channels of a whole image, white = 1.

    Parameters
    ----------
    noise, contrast : tuple of float
        Standard deviation of the noise, and of the values, of each channel.
    brightness : tuple of float
        Mean of the values of each channel.
    """

    noise: tuple[float, ...]
    contrast: tuple[float, ...]
    brightness: tuple[float, ...]

    @classmethod
    def of(cls, blocks: Iterable[Block], noise: float | None) -> ImageStatistics:
        """Measure blocks (C, *spatial) with their masks, spread over the image.

        Noise is the median over blocks, unless it is given; contrast and brightness are those
        of all valid values pooled.
        """
        noises: list[NDArray[np.float64]] = []
        sums: NDArray[np.float64] | float = 0.0
        for block, mask in blocks:
            sums = sums + _moments(block, mask)
            if noise is None:
                noises.append(np.array([estimate_noise(channel, mask) for channel in block]))
        count, total, squares = np.asarray(sums)
        mean = total / np.maximum(count, 1)
        variance = np.maximum(squares / np.maximum(count, 1) - mean**2, 0)
        sigma = np.full(len(mean), noise) if noise is not None else np.median(noises, axis=0)
        return cls(*(tuple(map(float, of)) for of in (sigma, np.sqrt(variance), mean)))

    @classmethod
    def of_whole(
        cls, image: torch.Tensor, mask: torch.Tensor | None, noise: float | None
    ) -> ImageStatistics:
        """Measure an image (C, *spatial) that is in memory; its noise too, unless it is given."""
        strips = torch.split(image, STRIP, dim=-2)
        masks = [None] * len(strips) if mask is None else torch.split(mask, STRIP, dim=-2)
        measured = cls.of(zip(strips, masks, strict=True), 0.0)
        if noise is None:
            levels = tuple(estimate_noise(channel, mask) for channel in image)
        else:
            levels = (noise,) * len(image)
        return replace(measured, noise=levels)

    def contexts(self, context: Context) -> list[Context]:
        """Return the context of each channel."""
        return [
            context.with_(noise=noise, contrast=contrast, brightness=brightness)
            for noise, contrast, brightness in zip(
                self.noise, self.contrast, self.brightness, strict=True
            )
        ]

    def pooled(self, context: Context) -> Context:
        """Return the context for stages that process all channels at once."""
        return context.with_(
            noise=float(np.mean(self.noise)),
            contrast=float(np.mean(self.contrast)),
            brightness=float(np.mean(self.brightness)),
        )

    def of_least_noise(self, context: Context) -> Context:
        """Return a context by which the halo of tiles suffices for each channel.

        It has the largest contrast, and the least noise as a fraction of a channel's contrast.
        """
        pairs = zip(self.noise, self.contrast, strict=True)
        ratios = [noise / contrast for noise, contrast in pairs if contrast > 0]
        contrast = max(self.contrast, default=0.0)
        return context.with_(noise=contrast * min(ratios, default=1.0), contrast=contrast)


def mean_gradient_energy(blurred: torch.Tensor, mask: torch.Tensor | None) -> float:
    """Return the mean squared gradient of a block (C, *spatial): its information on the blur.

    Of a volume it is that of the largest values along its depth. Averaging 2x2 pixels first keeps
    noise from counting as texture. The energy is multiplied by the share of valid pixels.
    """
    plane = blurred.amax(1) if blurred.ndim == 4 else blurred
    coarse = torch.nn.functional.avg_pool2d(plane, 2) if min(plane.shape[-2:]) > 3 else plane
    valid = 1.0 if mask is None else float(mask.mean())
    return valid * float(gradient_energy(coarse).mean())


def _moments(block: torch.Tensor, mask: torch.Tensor | None) -> NDArray[np.float64]:
    """Return count, sum and sum of squares of the valid values of each channel: (3, C)."""
    values = block.double().flatten(1)
    weight = torch.ones_like(values[0]) if mask is None else mask.double().flatten()
    count = weight.sum().expand(len(values))
    moments = torch.stack([count, (values * weight).sum(1), (values**2 * weight).sum(1)])
    return np.asarray(moments.cpu().numpy())


@dataclass(frozen=True)
class Light:
    """Sums over values in the image's units, without missing ones.

    Parameters
    ----------
    before, after : float
        Sum of the input and of the result.
    magnitude : float
        Sum of the input's absolute values.
    any_after : bool
        Whether any value of the result is not 0.
    clipped : int
        Number of values of the result above the largest of an integer type.
    clipped_light : float
        Sum of what these values exceed it by, which is lost.
    """

    before: float = 0.0
    after: float = 0.0
    magnitude: float = 0.0
    any_after: bool = False
    clipped: int = 0
    clipped_light: float = 0.0

    @classmethod
    def of(
        cls,
        blurred: torch.Tensor,
        result: torch.Tensor,
        normalization: Normalization,
        missing: Flags | None,
        any_after: bool,
    ) -> Light:
        """Measure tensors with white = 1."""
        if missing is not None:
            present = torch.from_numpy(~missing).to(blurred.device)
            blurred, result = blurred[present], result[present]
        span, offset = normalization.span, normalization.black * blurred.numel()
        before, after = (
            float(x.sum(dtype=torch.float64)) * span + offset for x in (blurred, result)
        )
        magnitude = before
        if normalization.black < 0:
            own = blurred.double() * span + normalization.black
            magnitude = float(own.abs().sum())
        clipped, lost = 0, 0.0
        largest = _largest(normalization)
        if result.numel() and float(result.amax()) > largest:
            excess = (result - largest).clamp_min(0)
            clipped = int(excess.count_nonzero())
            lost = float(excess.sum(dtype=torch.float64)) * span
        return cls(before, after, magnitude, any_after, clipped, lost)

    def __add__(self, other: Light) -> Light:
        return Light(
            self.before + other.before,
            self.after + other.after,
            self.magnitude + other.magnitude,
            self.any_after or other.any_after,
            self.clipped + other.clipped,
            self.clipped_light + other.clipped_light,
        )

    def warnings(self, stages: Sequence[Stage], is_restored: bool) -> list[str]:
        """Return sentences on a result without light, and on light that was cut off or not kept.

        Parameters
        ----------
        stages : sequence of Stage
            The steps.
        is_restored : bool
            Whether light beyond a sensor's limit was restored, so that it may have become more.
        """
        if self.magnitude <= 0:
            return []
        if not self.any_after:
            return [
                "the result is 0 everywhere, though the input is not; the kernel or the params "
                "do not fit it, or its values are too small for its type (convert it to float)."
            ]
        keeping = [s.name for s in stages if isinstance(s, Deconvolver) and s.keeps_light]
        if not keeping:
            return []
        found = []
        lost = self.clipped_light / self.magnitude
        if lost > LARGEST_CLIPPED_LIGHT:
            found.append(
                f"{self.clipped} values exceed the largest of the input's data type and are cut "
                f"off at it, which loses {lost:.2%} of the light; convert the input to float32 to "
                "keep them."
            )
        error = (self.after - self.before) / self.magnitude
        if not is_restored and abs(error) > LARGEST_ERROR:
            change = "more" if error > 0 else "less"
            found.append(
                f"the result has {abs(error):.1%} {change} light than the input, which "
                f"'{keeping[0]}' should keep; bright objects that the border cuts cause it, or a "
                "kernel that does not fit."
            )
        return found


def _largest(normalization: Normalization) -> float:
    """Return the largest value that the type of the result can hold, white = 1."""
    if normalization.dtype.kind not in "ui":
        return float("inf")
    return (float(np.iinfo(normalization.dtype).max) - normalization.black) / normalization.span
