"""Half-quadratic splitting in few steps, trained end to end on blurred images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from unblur.numerics.operators import Blur
from unblur_denoiser.sigma_schedule import SigmaSchedule
from unblur_denoiser.splitting import AlignedGrid, WienerStart, iterate, rotate, rotate_back
from unblur_denoiser.unet import WIDTHS, DenoisingNetwork

STEPS = 6
"""Number of steps that the shipped weights were trained in, a count."""
SCALAR_GAIN = 30.0
"""Factor of the trained logarithms of penalties and noise levels, so that the rate of the network's
weights moves them about as fast as the penalties have to change, dimensionless."""
FIRST_SMOOTHING = 10.0
"""Weight of the squared gradient in the second image of the first step, in units of that of the
Wiener estimate, dimensionless."""


class UnrolledSplitting(nn.Module):
    """A fixed number of steps of half-quadratic splitting with one network and learned scalars.

    In each step the network is given the image that fits the data and the image of the step
    before, which differ where the blur removed the detail. In the first step these are two Wiener
    estimates of different weights. Noise levels and penalties are those of the schedule times
    learned factors, one of each per step; a schedule of another number of steps is given factors
    that are interpolated. Each step presents the images to the network in another orientation.

    Parameters
    ----------
    widths : sequence of int
        Channels of the network at each scale.
    steps : int
        Number of steps that have factors.
    """

    def __init__(self, widths: Sequence[int] = WIDTHS, steps: int = STEPS) -> None:
        super().__init__()
        self.steps = steps
        self.network = DenoisingNetwork(widths, images=2)
        self.log_sigmas = nn.Parameter(torch.zeros(steps))
        self.log_penalties = nn.Parameter(torch.zeros(steps))

    def load_denoiser(self, tensors: dict[str, Tensor]) -> None:
        """Take over the weights of a denoiser of one image; the second image has no effect yet."""
        head = self.network.head.weight
        given = tensors["head.weight"]
        wide = torch.zeros_like(head)
        wide[:, :4], wide[:, 8:] = given[:, :4], given[:, 4:]
        self.network.load_state_dict({**tensors, "head.weight": wide})

    def estimates(
        self,
        blur: Blur,
        blurred: Tensor,
        schedule: SigmaSchedule,
        saturated: Tensor | None = None,
        origin: Sequence[int] = (0, 0),
    ) -> Iterator[Tensor]:
        """Yield the scene (C, *domain) after each step.

        Parameters
        ----------
        blur : Blur
            Operator with the mask of valid pixels.
        blurred : (C, H, W)
            Image, white = 1.
        schedule : SigmaSchedule
            Noise levels and penalties of any number of steps.
        saturated : (C, H, W), optional
            1 where a pixel is a lower bound on the blurred scene.
        origin : (int, int)
            Row and column of the first pixel in the whole image.
        """
        weight = schedule.wiener_weight
        with torch.no_grad():
            start = WienerStart.of(blur, blurred, weight, saturated)
            smooth = start.smoothed(blur, FIRST_SMOOTHING * weight)
        grid = AlignedGrid.of(blur, origin)
        sigmas = self._scaled(schedule.sigmas, self.log_sigmas)
        penalties = self._scaled(schedule.penalties, self.log_penalties)

        def denoise(scene: Tensor, before: Tensor, number: int) -> Tensor:
            images = torch.stack([scene, before if number else smooth], 1)
            turned = rotate(grid.pad(images), number)
            planes = turned.contiguous(memory_format=torch.channels_last)
            clean: Tensor = self.network(planes, sigmas[number].reshape(1, 1, 1, 1))
            return grid.crop(rotate_back(clean[:, 0], number)).contiguous()

        yield from iterate(blur, blurred, start, penalties, denoise, saturated)

    def _scaled(self, values: Sequence[float], logs: Tensor) -> Tensor:
        return logs.new_tensor(values) * torch.exp(SCALAR_GAIN * spread(logs, len(values)))


def spread(factors: Tensor, steps: int) -> Tensor:
    """Return factors (n,) of n steps for another number of steps, interpolated linearly."""
    if len(factors) == steps:
        return factors
    return interpolate(factors[None, None], steps, mode="linear", align_corners=True)[0, 0]
