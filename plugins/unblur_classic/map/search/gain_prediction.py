"""A network that predicts what a kernel gains, from the image that it restores."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from unblur.model.kernel import Kernel
from unblur.numerics.synthesis import blur_image
from unblur.plugins.weights import Pretrained
from unblur_classic.map.search.gain_features import CELL, feature_maps

FOLDER = Path(__file__).parents[2] / "trained"
SHIPPED: dict[str, str] = {
    "gain": "fd0e235481c92e3016c162b14b2247f96f3607e91d80505e0fe8fca2a3b0dcb2",
}
"""SHA-256 of the shipped weights, by name."""
N_FEATURES, WIDTH = 75, 32
"""Number of feature maps, and channels of the network, counts."""
N_MEMBERS = 4
"""Number of networks of which the mean is taken, a count."""
MAX_GAIN = 6.0
"""Gain or loss that a prediction approaches at most, in decibels; see `predict_gain`."""
MIN_BORDER, MIN_CELLS = 3, 8
"""Least border of a map of features that is left out, and fewest cells that must remain along each
axis, both in cells."""
DECIBELS = 10 / math.log(10)
"""Decibels of a factor of e."""


class GainNetwork(nn.Module):
    """Predicts the logarithms of the errors of the blurred and the restored image on cells.

    Attributes
    ----------
    mean, scale : (N_FEATURES,)
        Of each feature, by which it is normalised.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(N_FEATURES))
        self.register_buffer("scale", torch.ones(N_FEATURES))
        self.first = nn.Conv2d(N_FEATURES, WIDTH, 1)
        self.second, self.third = (nn.Conv2d(WIDTH, WIDTH, 3, padding=1) for _ in range(2))
        self.last = nn.Conv2d(WIDTH, 2, 1)
        self.drop = nn.Dropout2d(0.1)

    def forward(self, maps: Tensor) -> Tensor:
        """Return two maps (2, h, w) for features (N_FEATURES, h, w)."""
        x = ((maps - self.mean[:, None, None]) / self.scale[:, None, None]).clamp(-5, 5)[None]
        x = self.drop(functional.leaky_relu(self.first(x), 0.1))
        x = self.drop(functional.leaky_relu(self.second(x), 0.1))
        x = x + functional.leaky_relu(self.third(x), 0.1)
        logarithms: Tensor = self.last(x)[0] - 3
        return logarithms


class GainEnsemble(nn.Module):
    """The mean of the gains that several networks predict."""

    def __init__(self) -> None:
        super().__init__()
        self.members = nn.ModuleList(GainNetwork() for _ in range(N_MEMBERS))

    def forward(self, maps: Tensor, border: int) -> Tensor:
        """Return the gain in dB for features (N_FEATURES, h, w), less a border of cells."""
        return torch.stack([gain_of_errors(m(maps), border) for m in self.members]).mean()


PRETRAINED = Pretrained("gain", FOLDER, SHIPPED, lambda params: GainEnsemble())


@cache
def load_ensemble() -> GainEnsemble:
    """Return the shipped networks, on the CPU."""
    return PRETRAINED.load("gain")


def gain_of_errors(logarithms: Tensor, border: int) -> Tensor:
    """Return the gain in dB of maps (2, h, w) of logarithms of errors, less a border of cells."""
    inner = logarithms[:, border:-border, border:-border].flatten(1)
    blurred, restored = torch.logsumexp(inner, 1)
    gain: Tensor = DECIBELS * (blurred - restored)
    return gain


def border_of(kernel: Tensor, maps: Tensor) -> int:
    """Return the border of maps (n, h, w) that half a kernel (n, n) spoils, in cells.

    Of a small map less is left out, so that `MIN_CELLS` remain.
    """
    border = max(MIN_BORDER, math.ceil((kernel.shape[-1] // 2) / CELL))
    return min(border, min(maps.shape[-2:]) // 2 - MIN_CELLS // 2)


def residual_maps(sharp: Tensor, kernel: Tensor, image: Tensor) -> Tensor:
    """Return what a restored image leaves unexplained (h, w), 0 within half a kernel of the border.

    Parameters
    ----------
    sharp, image : (h, w)
        The restored and the blurred image.
    kernel : (n, n)
        Non-negative, of sum 1.
    """
    predicted = blur_image(sharp, Kernel(kernel.double().cpu().numpy()))
    top, left = ((n - m) // 2 for n, m in zip(image.shape, predicted.shape, strict=True))
    inside = (slice(top, top + predicted.shape[0]), slice(left, left + predicted.shape[1]))
    residual = torch.zeros_like(image)
    residual[inside] = predicted - image[inside]
    return residual


def predict_gain(image: Tensor, noise: float, kernel: Tensor, sharp: Tensor) -> float:
    """Return the gain in PSNR that a kernel is predicted to bring, in decibels.

    Parameters
    ----------
    image, sharp : (h, w)
        The blurred image, of contrast 1, and the one that the kernel restores.
    noise : float
        Standard deviation of the noise in `image`.
    kernel : (n, n)
        Non-negative, of positive sum, at its centre of mass.

    Returns
    -------
    float
        Between `-MAX_GAIN` and `MAX_GAIN`, which larger ones only approach; NaN if the image has
        too few pixels, in all or for the kernel.

    Example
    -------
    >>> import torch
    >>> predict_gain(torch.zeros(40, 40), 0.01, torch.ones(3, 3), torch.zeros(40, 40))
    nan
    """
    side = min(image.shape)
    if side < CELL * (2 + MIN_CELLS) or side <= kernel.shape[-1]:
        return math.nan
    # On the CPU, since the window is small.
    image, sharp, kernel = (x.float().cpu() for x in (image, sharp, kernel))
    kernel, mean = kernel / kernel.sum(), image.mean()
    image, sharp = image - mean, sharp - mean
    with torch.no_grad():
        maps = feature_maps(image, noise, kernel, sharp, residual_maps(sharp, kernel, image))
        gain = float(load_ensemble()(maps, border_of(kernel, maps)))
    # Rounded, so that last bits, in which the threads of others may differ, do not matter.
    return float(f"{MAX_GAIN * math.tanh(gain / MAX_GAIN):.3g}")
