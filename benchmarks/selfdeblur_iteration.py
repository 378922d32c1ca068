"""Seconds per iteration of `selfdeblur`, beside a plain module of the same architecture.

    python benchmarks/selfdeblur_iteration.py -o benchmarks/results/selfdeblur_iteration.json

The plain module is a direct implementation: one library layer for each layer of the paper, with
biases, reflection padding, concatenations and normalisations, SSIM by 11 x 11 convolutions, and
the default Adam. Both run on 255 x 255 pixels with a kernel of 21, alternately in one process; the
shortest time is reported. The third row is the plain module without trimming of the allocator
between iterations, which isolates that part of the gain. On a machine with other load, compare the
processor seconds with one thread (OMP_NUM_THREADS=1).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from contextlib import nullcontext
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from provenance import provenance
from unblur.accel.malloc import no_malloc_trim
from unblur_selfdeblur.networks.generators import Generators
from unblur_selfdeblur.optimisation import Observation, optimise
from unblur_selfdeblur.schedule import LossPhase, Schedule

EDGE, SIZE = 255, 21


def layer(inputs: int, outputs: int, size: int, stride: int = 1) -> list[nn.Module]:
    """Return padding, convolution, normalisation and activation."""
    pad = [nn.ReflectionPad2d(size // 2)] if size > 1 else []
    convolution = nn.Conv2d(inputs, outputs, size, stride)
    return [*pad, convolution, nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2)]


class NonLocal(nn.Module):
    """The dot-product block, with the products of all pairs of positions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = channels // 2
        self.theta, self.phi, self.g = (nn.Conv2d(channels, inner, 1) for _ in range(3))
        self.back = nn.Sequential(nn.Conv2d(inner, channels, 1), nn.BatchNorm2d(channels))
        nn.init.zeros_(self.back[1].weight)

    def forward(self, x: Tensor) -> Tensor:
        """Map (1, C, H, W) to the same shape."""
        theta = self.theta(x).flatten(2).transpose(1, 2)
        phi = functional.max_pool2d(self.phi(x), 2).flatten(2)
        g = functional.max_pool2d(self.g(x), 2).flatten(2).transpose(1, 2)
        similarity = theta @ phi / phi.shape[-1]
        attended = (similarity @ g).transpose(1, 2).reshape(1, -1, *x.shape[-2:])
        return x + self.back(attended)


class PlainLevel(nn.Module):
    """A level of the autoencoder and all levels below it."""

    def __init__(self, level: int, levels: int, width: int) -> None:
        super().__init__()
        inputs = 8 if level == 0 else width
        self.across = nn.Sequential(*layer(inputs, 16, 1))
        pad, halve, *rest = layer(inputs, width, 3, 2)
        attend = [NonLocal(width)] if level >= levels - 3 else []
        below = [PlainLevel(level + 1, levels, width)] if level + 1 < levels else []
        up = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        deepen = layer(width, width, 3)
        self.down = nn.Sequential(pad, halve, *attend, *rest, *deepen, *below, up)
        join, mix = layer(16 + width, width, 3), layer(width, width, 1)
        self.join = nn.Sequential(nn.BatchNorm2d(16 + width), *join, *mix)

    def forward(self, x: Tensor) -> Tensor:
        """Map (1, inputs, H, W) to (1, width, H, W)."""
        across = self.across(x)
        deep = self.down(x)[..., : x.shape[-2], : x.shape[-1]]
        return self.join(torch.cat([across, deep], 1))


class Plain(nn.Module):
    """Image network, kernel network, and the blur of the image by the kernel."""

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.size = size
        self.image = nn.Sequential(PlainLevel(0, 5, width), nn.Conv2d(width, 1, 1), nn.Sigmoid())
        self.kernel = nn.Sequential(
            nn.Linear(200, 1000), nn.ReLU6(), nn.Linear(1000, size * size), nn.Softmax(-1)
        )

    def forward(self, image_noise: Tensor, kernel_noise: Tensor) -> Tensor:
        """Generate the image and blur it by the generated kernel."""
        kernel = self.kernel(kernel_noise).view(1, 1, self.size, self.size)
        return functional.conv2d(self.image(image_noise), kernel)


def plain_ssim(a: Tensor, b: Tensor) -> Tensor:
    """Return the mean SSIM by five 11 x 11 convolutions."""
    profile = torch.exp(-0.5 * ((torch.arange(11.0) - 5) / 1.5) ** 2)
    window = (profile[:, None] * profile / profile.sum() ** 2)[None, None]
    ma, mb, aa, bb, ab = (functional.conv2d(x, window) for x in (a, b, a * a, b * b, a * b))
    va, vb, cov = aa - ma * ma, bb - mb * mb, ab - ma * mb
    similarity = (2 * ma * mb + 1e-4) * (2 * cov + 9e-4)
    return (similarity / ((ma**2 + mb**2 + 1e-4) * (va + vb + 9e-4))).mean()


Tick = Callable[[], None]


def plain_iterations(blurred: Tensor, width: int, count: int) -> Callable[[Tick], None]:
    """Return a function that runs `count` iterations of the plain module and ticks after each."""
    torch.manual_seed(0)
    model = Plain(SIZE, width)
    groups = [
        {"params": model.image.parameters(), "lr": 1e-2},
        {"params": model.kernel.parameters(), "lr": 1e-4},
    ]
    adam = torch.optim.Adam(groups)
    side = EDGE + SIZE - 1
    image_noise, kernel_noise = 0.1 * torch.rand(1, 8, side, side), 0.1 * torch.rand(200)

    def run(tick: Tick) -> None:
        for _ in range(count):
            adam.zero_grad()
            perturbed = image_noise + 0.001 * torch.randn_like(image_noise)
            (1 - plain_ssim(model(perturbed, kernel_noise), blurred[None])).backward()
            adam.step()
            tick()

    return run


def own_iterations(blurred: Tensor, width: int, count: int) -> Callable[[Tick], None]:
    """Return a function that runs `count` iterations of the plugin and ticks after each."""
    generators = Generators.drawn(
        blurred.shape, SIZE, width=width, layers="one", seed=0, device="cpu"
    )
    data, schedule = Observation(blurred), Schedule([LossPhase(count, "ssim")])

    def run(tick: Tick) -> None:
        optimise(generators, data, schedule, lambda _: tick())

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument(
        "--iterations", type=int, default=3, help="per repetition; the first is not timed"
    )
    parser.add_argument("--turns", dest="repetitions", type=int, default=2)
    options = parser.parse_args()
    blurred = torch.rand(1, EDGE, EDGE, generator=torch.Generator().manual_seed(0))
    plain = plain_iterations(blurred, options.width, options.iterations)
    own = own_iterations(blurred, options.width, options.iterations)
    seconds: dict[str, list[float]] = {}
    processor: dict[str, list[float]] = {}
    for _ in range(options.repetitions):
        for name, run, kept in (
            ("plain", plain, nullcontext()),
            ("own", own, nullcontext()),
            ("plain, memory retained", plain, no_malloc_trim()),
        ):
            ticks: list[tuple[float, float]] = []
            with kept:
                run(lambda: ticks.append((time.perf_counter(), time.process_time())))  # noqa: B023
            for table, times in ((seconds, 0), (processor, 1)):
                spent = [b[times] - a[times] for a, b in pairwise(ticks)]
                table.setdefault(name, []).extend(spent)
    least, used = (
        {name: round(min(times), 3) for name, times in table.items()}
        for table in (seconds, processor)
    )
    row = {
        "width": options.width,
        "seconds per iteration": least,
        "own / plain": round(least["own"] / least["plain"], 3),
        "processor seconds per iteration": used,
        "own / plain, processor": round(used["own"] / used["plain"], 3),
        "threads": torch.get_num_threads(),
        **provenance(),
    }
    print(json.dumps(row))
    if options.output:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        options.output.write_text(json.dumps(row, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
