"""The image network and the kernel network with their fixed random inputs."""

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
"""Upper end of the uniform distribution of the networks' inputs, dimensionless."""
PERTURBATION = 0.001
"""Standard deviation of the noise added to the image network's input in every iteration."""


@dataclass
class Generators:
    """The networks G_x and G_k, each with its fixed input (Ren Sec. 3.2).

    Attributes
    ----------
    image_net, kernel_net : module
        The networks G_x and G_k.
    image_noise : (1, 8, H + n - 1, W + n - 1)
        Input z_x of the image network, of the size of the scene.
    kernel_noise : (200,)
        Input z_k of the kernel network.
    draw : torch.Generator
        Random numbers of the perturbations.
    """

    image_net: ImageGenerator
    kernel_net: KernelGenerator
    image_noise: Tensor
    kernel_noise: Tensor
    draw: torch.Generator

    def __post_init__(self) -> None:
        # Random numbers are drawn fastest in contiguous order.
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

        Weights and inputs are drawn on the CPU, so that they are the same on every device.
        """
        channels, *extent = data_shape
        scene = [n + size - 1 for n in extent]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            image_net = ImageGenerator(channels, min(scene), width)
            kernel_net = KernelGenerator(size, layers)
            image_noise = NOISE_SCALE * torch.rand(1, image_generator.INPUTS, *scene)
            kernel_noise = NOISE_SCALE * torch.rand(kernel_generator.INPUTS)
        # Channels last in memory. The weights too on a GPU alone: on a CPU the derivatives of the
        # library's convolutions are several times slower in that order.
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
        """Generate G_x(z_x), (C, H + n - 1, W + n - 1), from a perturbed input (Ren Eq. 5)."""
        torch.randn(self._drawn.shape, generator=self.draw, out=self._drawn)
        perturbed = torch.add(self.image_noise, self._drawn, alpha=PERTURBATION)
        with reduced_precision(perturbed):
            scene: Tensor = self.image_net(perturbed)[0]
        return scene

    def kernel(self) -> Tensor:
        """Generate the kernel G_k(z_k), (n, n) (Ren Eq. 5)."""
        kernel: Tensor = self.kernel_net(self.kernel_noise)
        return kernel


def reduced_precision(x: Tensor) -> AbstractContextManager[None]:
    """Return a context in which networks run in bfloat16 on devices where that is faster."""
    reduced = network_dtype(str(x.device)) == torch.bfloat16
    return torch.autocast(x.device.type, torch.bfloat16, enabled=reduced)
