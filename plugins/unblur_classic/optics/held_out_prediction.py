"""How well a PSF predicts voxels of a stack that were left out of its deconvolution."""

from __future__ import annotations

from collections.abc import Sequence

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

ITERATIONS = 200
"""Number of Richardson-Lucy iterations (25 accelerated steps), dimensionless. After fewer of them
the estimates are nearer to an unaberrated PSF."""

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

    def deviance(self, kernels: Sequence[Kernel]) -> Tensor:
        """Return the deviance after half of the steps and after all, in each block: (2, B).

        It is that of every channel but for a constant, float64. `kernels` holds one for each
        channel, or one for all.
        """
        channels = [slice(None)] if len(kernels) == 1 else [slice(n, n + 1) for n in range(10**3)]
        parts = [
            self._of_channels(self._data[rows], kernel)
            for rows, kernel in zip(channels, kernels, strict=False)
        ]
        return torch.cat(parts, 1)

    def _of_channels(self, data: Tensor, kernel: Kernel) -> Tensor:
        psf = kernel.tensor(device=data.device)
        blur, whole = Blur(psf, self.shape, self._fitted), Blur(psf, self.shape)
        iterate = RichardsonLucyIteration(blur, data, 0.0, is_guarded=True)
        iterate.scene[:] = fill_and_extend(blur, data.clamp_min(MIN_PREDICTION))
        steps, found, done = accelerated_steps(ITERATIONS), [], 0.0
        early = len(steps) // 2
        for number, step in enumerate(steps):
            self._context.checkpoint()
            if not iterate(step.momentum, step.relaxation):
                for plain in plain_steps(ITERATIONS, done):
                    iterate(plain.momentum, plain.relaxation)
                break
            done = step.progress
            if number + 1 == early:
                found.append(self._in_blocks(data, whole.forward(iterate.scene)))
        last = self._in_blocks(data, whole.forward(iterate.scene))
        return torch.stack([found[0] if found else last, last])

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
