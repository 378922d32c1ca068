"""Data of one pyramid level of the alternation: masks, scenes and latent images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from unblur.numerics.fourier import fast_length, fft, inverse_fft, psf_to_otf
from unblur.numerics.operators import extend_periodic, gradient
from unblur_classic.map.edges import keep_salient
from unblur_classic.map.latent_update import LAST_PENALTY, WeightedPrior, update_latent


@dataclass
class ScaleState:
    """Masks and data of one pyramid level, and the images that each iteration updates.

    Attributes
    ----------
    observed : (..., *domain) bool
        True where a pixel of the blurred scene was observed and is valid.
    observed_gradients : (2, ..., *domain) bool
        True where a gradient of the blurred scene was observed.
    scene : (..., *domain)
        Blurred scenes, with predictions at unobserved pixels.
    latent : (..., *domain)
        Latent images of the last iteration, at first the scenes.
    """

    observed: Tensor
    observed_gradients: Tensor
    scene: Tensor
    latent: Tensor

    @classmethod
    def of(cls, size: int, images: Tensor, valid: Tensor) -> ScaleState:
        """Embed images (..., h, w) in scenes that are larger by a kernel of `size` pixels.

        `valid` (..., h, w) is 1 at valid pixels.
        """
        domain = [fast_length(n + size - 1) for n in images.shape[-2:]]
        observed = embed(valid > 0.999, domain, size)
        pairs = torch.stack([observed & torch.roll(observed, -1, axis) for axis in (-2, -1)])
        scene = extend_periodic(images, domain, (_offset(size),) * 2)
        return cls(observed, pairs, scene, scene)

    def update(
        self,
        kernels: Tensor,
        priors: Sequence[WeightedPrior],
        threshold: float = 0.0,
        last_penalty: float = LAST_PENALTY,
    ) -> tuple[Tensor, Tensor]:
        """Update the latent images for the kernels; return the gradients for the kernel update.

        Parameters
        ----------
        kernels : (..., n, n)
            Current kernels.
        priors : sequence of WeightedPrior
            Priors on the latent images.
        threshold : float
            Length below which gradients of the latent images are set to 0.
        last_penalty : float
            See `update_latent`.

        Returns
        -------
        sharp, blurred : (2, ..., *domain)
            Gradients of the latent images, and of the blurred scenes; where these were not
            observed, the convolution of `sharp` with the kernels.
        """
        self.latent, predicted = update_latent(
            self.scene, kernels, priors, self.latent, last_penalty
        )
        self.scene = torch.where(self.observed, self.scene, predicted)
        sharp, blurred = gradient(self.latent), gradient(self.scene)
        if not threshold:
            return sharp, torch.where(self.observed_gradients, blurred, gradient(predicted))
        sharp = keep_salient(sharp, threshold)
        domain = self.latent.shape[-2:]
        filled = inverse_fft(psf_to_otf(kernels, domain) * fft(sharp, 2), domain)
        return sharp, torch.where(self.observed_gradients, blurred, filled)


def embed(window: Tensor, domain: Sequence[int], size: int) -> Tensor:
    """Return images (..., h, w) zero-padded to a domain, at the position of `ScaleState.of`."""
    before = _offset(size)
    after = [n - before - m for n, m in zip(domain, window.shape[-2:], strict=True)]
    return functional.pad(window, (before, after[1], before, after[0]))


def _offset(size: int) -> int:
    return size - 1 - size // 2
