"""How well a PSF predicts voxels of a stack that were left out of its deconvolution."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy

import torch
from torch import Tensor

from unblur.model.context import Context
from unblur.model.kernel import Kernel
from unblur.numerics.boundaries import fill_and_extend
from unblur.numerics.operators import Blur
from unblur.numerics.regions import gradient_energy, most_textured_windows
from unblur_classic.nonblind.richardson_lucy.image_quotient import MIN_PREDICTION
from unblur_classic.nonblind.richardson_lucy.iteration import RichardsonLucyIteration
from unblur_classic.nonblind.richardson_lucy.step_sizes import accelerated_steps, plain_steps

LEFT_OUT = 0.1
"""Share of the voxels that are left out, dimensionless."""

ITERATIONS = (25, 50, 100, 200)
"""Numbers of Richardson-Lucy iterations (25 accelerated steps for the last), of which that with the
best prediction is used, dimensionless. After fewer of them the estimates are nearer to an
unaberrated PSF, and after more the noise is fitted, most of all in smooth scenes."""

EDGE = 80
"""Largest edge of the region that is used, pixels."""

BLOCKS = 4
"""Number of blocks along Y and along X in which the deviance is summed, dimensionless."""


class HeldOutPrediction:
    """Poisson deviance of voxels that were left out, after deconvolution of the others.

    The scene is the non-negative one of Richardson-Lucy, of which nothing else is assumed. A PSF
    that needs negative light to explain the stack, and one that explains noise by structure, both
    predict voxels that the deconvolution did not have less well than the true one.

    Parameters
    ----------
    stack : (C, Z, Y, X)
        Non-negative values, in any scale.
    context : Context
        For the random draw of voxels, and cancellation.
    mask : (Z, Y, X), optional
        1 = valid voxel.

    Attributes
    ----------
    shape : tuple of int
        Extents of the region with the most texture, which alone is used.

    Notes
    -----
    There is no background: a constant is a scene as well, and one that is measured too high in a
    stack full of light out of focus would have to be clipped.
    """

    def __init__(self, stack: Tensor, context: Context, mask: Tensor | None = None) -> None:
        window = (..., *_most_textured_region(stack, mask))
        self._data = stack[window].clamp_min(0)
        self._data = self._data / self._data.max().clamp_min(MIN_PREDICTION)
        self.shape = tuple(self._data.shape[1:])
        valid = torch.ones(self.shape) if mask is None else mask[window].cpu()
        drawn = torch.rand(self.shape, generator=torch.Generator().manual_seed(context.seed))
        left_out = (drawn < LEFT_OUT).float()
        device = self._data.device
        self._fitted = (valid * (1 - left_out)).to(device)
        self._left_out = (valid * left_out).to(device)
        self._context = context
        self._iterations = ITERATIONS[-1]

    def deviance(self, kernels: Sequence[Kernel]) -> Tensor:
        """Return the deviance after half of the iterations and after all, in each block: (2, B).

        It is that of every channel but for a constant, float64. `kernels` holds one for each
        channel, or one for all.
        """
        parts = [self._fit_channels(*one)[0] for one in self._channels(kernels)]
        return torch.cat(parts, 1)[-2:]

    def with_best_iterations(self, kernels: Sequence[Kernel]) -> HeldOutPrediction:
        """Return the prediction by the number of iterations that is best with given kernels."""
        parts = [self._fit_channels(*one)[0] for one in self._channels(kernels)]
        best = int(torch.cat(parts, 1)[1:].sum(1).argmin())
        other = copy(self)
        other._iterations = ITERATIONS[best]
        return other

    def simulated(self, kernels: Sequence[Kernel]) -> HeldOutPrediction:
        """Return the region with the values that kernels predict of their scene, with noise.

        Its variance is in proportion to the values, as measured at the voxels that were left out,
        which are left out again.
        """
        parts = [self._fit_channels(*one)[1] for one in self._channels(kernels)]
        expected = torch.cat(parts).clamp_min(MIN_PREDICTION)
        residual = (self._data - expected) * self._left_out
        gain = (residual**2).sum() / (expected * self._left_out).sum().clamp_min(MIN_PREDICTION)
        draw = torch.randn(
            expected.shape, generator=torch.Generator().manual_seed(self._context.seed + 1)
        )
        other = copy(self)
        noise = draw.to(expected.device) * (gain * expected).sqrt()
        other._data = (expected + noise).clamp_min(0)
        return other

    def _channels(self, kernels: Sequence[Kernel]) -> Iterator[tuple[Tensor, Kernel]]:
        """Yield the values of each channel, or of all, and their kernel."""
        if len(kernels) == 1:
            yield self._data, kernels[0]
            return
        for number, kernel in enumerate(kernels):
            yield self._data[number : number + 1], kernel

    def _fit_channels(self, data: Tensor, kernel: Kernel) -> tuple[Tensor, Tensor]:
        """Return the deviances after each of `ITERATIONS`, and the last prediction."""
        psf = kernel.tensor(device=data.device)
        blur, whole = Blur(psf, self.shape, self._fitted), Blur(psf, self.shape)
        iterate = RichardsonLucyIteration(blur, data, 0.0, is_guarded=True)
        iterate.scene[:] = fill_and_extend(blur, data.clamp_min(MIN_PREDICTION))
        marks = self._marks
        found, done = [], 0.0
        for step in accelerated_steps(self._iterations):
            self._context.checkpoint()
            if not iterate(step.momentum, step.relaxation):
                for plain in plain_steps(self._iterations, done):
                    iterate(plain.momentum, plain.relaxation)
                break
            done = step.progress
            if len(found) < len(marks) - 1 and done >= marks[len(found)]:
                found.append(self._in_blocks(data, whole.forward(iterate.scene)))
        prediction = whole.forward(iterate.scene)
        last = self._in_blocks(data, prediction)
        return torch.stack([*found, *[last] * (len(marks) - len(found))]), prediction

    @property
    def _marks(self) -> list[float]:
        """Numbers of iterations after which the deviance is taken."""
        return [n for n in (ITERATIONS[0] / 2, *ITERATIONS) if n <= self._iterations]

    def _in_blocks(self, data: Tensor, prediction: Tensor) -> Tensor:
        prediction = prediction.clamp_min(MIN_PREDICTION)
        deviance = ((prediction - data * prediction.log()) * self._left_out).double().sum((0, 1))
        rows = deviance.tensor_split(BLOCKS)
        return torch.stack([part.sum() for row in rows for part in row.tensor_split(BLOCKS, 1)])


def _most_textured_region(stack: Tensor, mask: Tensor | None) -> tuple[slice, slice, slice]:
    """Return all planes of the part with the most gradient energy, at most `EDGE` pixels wide."""
    planes, *extent = stack.shape[1:]
    size = [min(n, EDGE) for n in extent]
    smooth = torch.nn.functional.avg_pool2d(stack.amax(1), 3, 1, 1)
    energy = gradient_energy(smooth).sum(0)
    if mask is not None:
        energy = energy * mask.amin(0)[:-1, :-1]
    inner = [min(n, m) for n, m in zip(size, energy.shape, strict=True)]
    rows, columns = most_textured_windows(energy, inner, [8, 8])[0]
    window = [
        slice(min(part.start, n - s), min(part.start, n - s) + s)
        for part, n, s in zip((rows, columns), extent, size, strict=True)
    ]
    return slice(0, planes), window[0], window[1]
