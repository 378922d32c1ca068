"""The two networks with the noise that they are fed: all that is optimised."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch
from torch import Tensor

from unblur.accel.precision import network_dtype
from unblur_selfdeblur.networks import image_generator, kernel_generator
from unblur_selfdeblur.networks.image_generator import ImageGenerator
from unblur_selfdeblur.networks.kernel_generator import KernelGenerator, KernelNet

NOISE_SCALE = 0.1
"""The networks' inputs are uniform in [0, 0.1)."""
PERTURBATION = 0.001
"""Standard deviation of what is added to the image network's input in every iteration."""


@dataclass
class Generators:
    """An image network and a kernel network, each with its fixed input.

    Attributes
    ----------
    image_net, kernel_net : module
        The networks.
    image_noise : (1, 8, H + n - 1, W + n - 1)
        Input of the first, of the size of the scene.
    kernel_noise : (200,)
        Input of the second.
    draw : torch.Generator
        Where the perturbations come from.
    """

    image_net: ImageGenerator
    kernel_net: KernelGenerator
    image_noise: Tensor
    kernel_noise: Tensor
    draw: torch.Generator

    def __post_init__(self) -> None:
        # Numbers are drawn fastest in the plain order.
        self._drawn = torch.empty(self.image_noise.shape, device=self.image_noise.device)

    @classmethod
    def drawn(
        cls,
        data_shape: Sequence[int],
        size: int,
        *,
        width: int,
        layers: KernelNet,
        seed: int,
        device: str,
    ) -> Generators:
        """Draw networks and inputs from a seed, for data (C, H, W) and a kernel of `size`.

        Weights and inputs are drawn on the CPU, so that a seed means the same on every device.
        """
        channels, *extent = data_shape
        scene = [n + size - 1 for n in extent]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            image_net = ImageGenerator(channels, min(scene), width)
            kernel_net = KernelGenerator(size, layers)
            image_noise = NOISE_SCALE * torch.rand(1, image_generator.INPUTS, *scene)
            kernel_noise = NOISE_SCALE * torch.rand(kernel_generator.INPUTS)
        # Channels together in memory: the weights only on a GPU, since convolutions that a CPU
        # leaves to the library have derivatives several times slower in that order.
        image_noise = image_noise.contiguous(memory_format=torch.channels_last)
        if torch.device(device).type == "cuda":
            image_net = image_net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return cls(
            image_net.to(device),
            kernel_net.to(device),
            image_noise.to(device),
            kernel_noise.to(device),
            torch.Generator(device).manual_seed(seed),
        )

    def scene(self) -> Tensor:
        """Generate the sharp scene (C, H + n - 1, W + n - 1) from a freshly perturbed input."""
        torch.randn(self._drawn.shape, generator=self.draw, out=self._drawn)
        perturbed = torch.add(self.image_noise, self._drawn, alpha=PERTURBATION)
        with reduced_precision(perturbed):
            scene: Tensor = self.image_net(perturbed)[0]
        return scene

    def kernel(self) -> Tensor:
        """Generate the kernel (n, n)."""
        kernel: Tensor = self.kernel_net(self.kernel_noise)
        return kernel


def reduced_precision(x: Tensor) -> AbstractContextManager[None]:
    """Return the context in which networks run in bfloat16 where that is faster."""
    reduced = network_dtype(str(x.device)) == torch.bfloat16
    return torch.autocast(x.device.type, torch.bfloat16, enabled=reduced)
