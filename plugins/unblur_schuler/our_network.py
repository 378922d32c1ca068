"""Our own network: one deep edge predictor for every scale and every iteration."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from unblur.numerics.operators import gradient
from unblur.numerics.pyramid import PyramidLevel, pyramid_levels, rescale_kernel
from unblur.numerics.statistics import CONTRAST, l0_weight_for_noise
from unblur_schuler.coarse_to_fine import Iteration, Network, initial_kernel
from unblur_schuler.l0_images import l0_latent_images
from unblur_schuler.quotient import Spectra, image_quotient

WIDTH = 32
"""Number of channels of the hidden layers."""
DILATIONS = (1, 2, 4, 2)
"""Dilations of the hidden convolutions, in pixels."""
COARSEST_SIZE = 5
"""Approximate extent of the kernel at the coarsest scale, in pixels."""
GRADIENT_UNIT = 0.03
"""Gradient at the standard deviation `CONTRAST` that the features are divided by, white = 1."""
MIN_L0_WEIGHTS = (1e-2, 2e-3)
"""Smallest L0 weights of the two latent images, of strong edges and of finer ones too."""


class DeepNetwork(Network):
    """Deconvolves with the kernel so far, predicts sharp edges, and divides, in every iteration.

    Three latent images are computed with the kernel so far: two L0-regularised ones, of few and
    of more edges, and a Wiener quotient (Schuler Eq. 5) whose prior weight is learned. A
    convolutional network maps the gradients of all three and of the blurred image, and the noise
    level, to a gate for the gradients of either L0-regularised image and to a correction of
    their sum: the features x_i of (Schuler Eq. 4). The features y_i are the gradients of the
    blurred image. The same weights serve all scales and iterations, so that a kernel may have any
    size.

    Notes
    -----
    At initialisation the features are about the mean of the gradients of the L0-regularised
    images, with which the method already works; training adjusts the gates and the correction.
    The L0-regularised images have no weights and are not differentiated.
    """

    iterations = 3

    def __init__(self) -> None:
        super().__init__()
        layers = [nn.Conv2d(9, WIDTH, 5, padding=2)]
        layers += [nn.Conv2d(WIDTH, WIDTH, 3, padding=d, dilation=d) for d in DILATIONS]
        layers.append(nn.Conv2d(WIDTH, 6, 3, padding=1))
        with torch.no_grad():
            for layer in layers:
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                # Convolutions of this width are fastest with channels last.
                layer.weight.data = layer.weight.contiguous(memory_format=torch.channels_last)
                layer.bias = nn.Parameter(torch.zeros(layer.out_channels))
            layers[-1].weight.mul_(0.05)
        self.layers = nn.ModuleList(layers)
        # Logarithms of the learned constants, under the names that weight files give them.
        self.register_parameter("smoothness", nn.Parameter(torch.tensor(math.log(5e-2))))
        self.register_parameter("ridge", nn.Parameter(torch.tensor(math.log(5e-2))))
        self.register_parameter("faint", nn.Parameter(torch.tensor(math.log(0.07))))

    @property
    def prior_weight(self) -> Tensor:
        """Weight beta_x of the Wiener quotient (Schuler Eq. 5)."""
        return self.get_parameter("smoothness").exp()

    @property
    def kernel_ridge(self) -> Tensor:
        """Weight beta_k of (Schuler Eq. 4), relative to the mean power of the features."""
        return self.get_parameter("ridge").exp()

    @property
    def threshold(self) -> Tensor:
        """Value relative to the peak below which the kernel is 0."""
        return self.get_parameter("faint").exp()

    def levels(self, size: int) -> list[PyramidLevel]:
        """Return scales half an octave apart, down to a kernel of about 5 pixels."""
        return pyramid_levels(size, COARSEST_SIZE)

    def features(
        self, y: Tensor, kernel: Tensor | None, noise: Tensor, iteration: Iteration
    ) -> tuple[Tensor, Tensor]:
        """Return two features each, along rows and columns; see `Network.features`."""
        if kernel is None:
            kernel = initial_kernel(iteration.size, y[:, 0])
        elif iteration.upscaling != 1:
            kernel = rescale_kernel(kernel, iteration.size, iteration.upscaling)
        gain = CONTRAST / y.std((-2, -1), keepdim=True).clamp_min(1e-6)
        y = gain * y
        scaled_noise = noise[:, None, None, None] * gain
        with torch.no_grad():
            sparse = l0_latent_images(y, kernel, _l0_weights(scaled_noise.flatten()))
        weights = self.prior_weight.expand(y.shape[0], 1)
        gradients = gradient(torch.cat([sparse, image_quotient(y, kernel, weights), y], 1))
        gradients = gradients.transpose(0, 1) / GRADIENT_UNIT
        noise_level = torch.log(scaled_noise + 1e-3) / 4
        inputs = [torch.asinh(gradients).flatten(1, 2), noise_level.expand_as(y)]
        predicted = self._predict(torch.cat(inputs, 1))
        gates, correction = torch.sigmoid(predicted[:, :4]), predicted[:, 4:]
        gated = gates.reshape(gradients[:, :, :2].shape) * gradients[:, :, :2]
        return gated.sum(2) + correction, gradients[:, :, 3]

    def kernel(self, spectra: Spectra, iteration: Iteration) -> Tensor:
        """Return the kernel less the threshold, clipped at 0; see `Network.kernel`."""
        raw = spectra.kernel(iteration.size, self.kernel_ridge)
        peak = raw.amax((-2, -1), keepdim=True)
        clipped = functional.relu(raw - self.threshold * peak) + 1e-9
        return clipped / clipped.sum((-2, -1), keepdim=True)

    def _predict(self, x: Tensor) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        *hidden, last = self.layers
        for layer in hidden:
            x = functional.relu(layer(x))
        predicted: Tensor = last(x)
        return predicted


def _l0_weights(noise: Tensor) -> Tensor:
    """Return the weights (B, 2) of the L0-regularised images at a noise (B,), which suppress it."""
    smallest = torch.tensor(MIN_L0_WEIGHTS, device=noise.device)
    return torch.maximum(smallest, l0_weight_for_noise(noise)[:, None])
