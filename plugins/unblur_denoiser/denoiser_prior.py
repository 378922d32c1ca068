"""The prior `denoiser`: a network that removes Gaussian noise, as a proximal map."""

from __future__ import annotations

import math

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from unblur.model import stages
from unblur_denoiser.unet import DenoisingNetwork
from unblur_denoiser.weights import load_network

LOWEST, HIGHEST = 0.003, 0.2
"""Least and largest standard deviation of the noise that the networks were trained on, white = 1;
others are replaced by the nearer of the two."""


class DenoiserPrior(stages.Prior):
    """Photographs, as a network knows them that was trained to remove Gaussian noise.

    The network `D` maps an image with white noise of standard deviation `sigma` to about the mean
    of the sharp images that it may come from. Such a map takes the place of a proximal map::

        proximal(x, step) = D(x, sqrt(step))

    since the proximal map of a negative log-density is the most probable image under Gaussian
    noise of that variance (plug-and-play). The energy is that of a gradient-step denoiser, at one
    noise level `s`::

        |x - D(x, s)|^2 / (2 s^2)

    It is small where the network finds no noise. `D` is not the exact proximal map of it, nor of
    any energy that is known: `proximal` need not lower `step * energy(u) + |u - x|^2 / 2` at noise
    levels other than `s`. Each channel is an image of its own.

    Parameters
    ----------
    params : Params or mapping, optional
        See `DenoiserPrior.Params`.

    Notes
    -----
    `sqrt(step)` outside the range of the training, 0.003 to 0.2, is replaced by the nearest
    value inside.

    Examples
    --------
    >>> import torch
    >>> x = 0.5 + 0.1 * torch.randn(1, 32, 32, generator=torch.Generator().manual_seed(0))
    >>> float(DenoiserPrior().proximal(x, 0.01).std()) < 0.05
    True

    References
    ----------
    S. Venkatakrishnan, C. Bouman, B. Wohlberg, "Plug-and-play priors for model based
    reconstruction", GlobalSIP 2013. K. Zhang et al., "Plug-and-play image restoration with deep
    denoiser prior", IEEE TPAMI 44(10), 2022. Energy: S. Hurault, A. Leclaire, N. Papadakis,
    "Gradient step denoiser for convergent plug-and-play", ICLR 2022.
    """

    name = "denoiser"
    summary = "Photographs, by a network trained to remove noise; for plug-and-play."
    cites = "Zhang et al., TPAMI 2022"

    class Params(stages.Params):
        """Settings of the denoiser."""

        model: str = Field(
            default="general",
            description="Weights: general, or a .safetensors file that `unblur train denoiser` "
            "wrote.",
        )
        level: float = Field(
            default=0.05,
            ge=LOWEST,
            le=HIGHEST,
            description="Noise level of the energy, standard deviation for white = 1.",
        )

    def energy(self, x: Tensor) -> Tensor:
        """Return `|x - D(x, s)|^2 / (2 s^2)` with the noise level s of the params."""
        level = self.params.level
        residual = x - denoise(load_network(self.params.model, str(x.device)), x, level)
        energy: Tensor = residual.square().sum() / (2 * level**2)
        return energy

    def proximal(self, x: Tensor, step: float) -> Tensor:
        """Return `x` denoised at the standard deviation `sqrt(step)`.

        Parameters
        ----------
        x : (C, H, W) float32
            Noisy, white = 1.
        step : float
            Variance of the noise, white = 1.
        """
        level = min(max(math.sqrt(step), LOWEST), HIGHEST)
        network = load_network(self.params.model, str(x.device))
        with torch.no_grad():
            return denoise(network, x, level)


def denoise(network: DenoisingNetwork, x: Tensor, level: float) -> Tensor:
    """Return (C, H, W) denoised, each channel alone; extents need not be multiples of a number."""
    height, width = x.shape[-2:]
    multiple = network.multiple
    padded = functional.pad(
        x[:, None], (0, -width % multiple, 0, -height % multiple), mode="replicate"
    )
    planes = padded.contiguous(memory_format=torch.channels_last)
    sigma = x.new_full((1, 1, 1, 1), level)
    clean: Tensor = network(planes, sigma)[:, 0, :height, :width]
    return clean.contiguous()
