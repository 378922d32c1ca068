"""Time for each sample of Fourier transforms in torch and in scipy, by length and kind.

    OMP_NUM_THREADS=1 python benchmarks/transform_lengths.py

Squares and volumes of single-precision complex numbers as blocks of Richardson-Lucy have; the best
of several runs on one thread. `complex` is one complex transform and its inverse for two real
images, `real` are two real transforms and their inverses. `compiled` is a complex one there and
back with the product in between, by `unblur.accel.fourier`, where numba is installed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import scipy.fft
import torch

from scale_table import write_table
from unblur.accel.fourier.pair_filter import PairFilter
from unblur.accel.jit import has_compiler
from unblur.accel.malloc import no_malloc_trim

LENGTHS = (48, 64, 96, 108, 120, 128, 135, 144, 160, 180, 192, 200, 216, 240, 256, 270, 288, 320)
LENGTHS += (384, 512)
VOLUMES = ((48, 48, 48), (48, 80, 80), (48, 96, 96), (96, 96, 96), (96, 160, 160))
REPETITIONS = 15


def nanoseconds(run: Callable[[], Any], samples: int) -> float:
    """Return the shortest time of a function divided by a number of samples, in nanoseconds."""
    spent = []
    for _ in range(REPETITIONS):
        began = time.perf_counter()
        run()
        spent.append(time.perf_counter() - began)
    return round(min(spent) * 1e9 / samples, 2)


def row(length: int) -> dict[str, Any]:
    """Return the times of squares of a length."""
    z = torch.randn(length, length, dtype=torch.complex64)
    pair = torch.randn(2, length, length)
    array, arrays = z.numpy(), pair.numpy()
    samples = 2 * length**2
    return {
        "length": length,
        "torch, complex": nanoseconds(lambda: torch.fft.ifft2(torch.fft.fft2(z)), samples),
        "scipy, complex": nanoseconds(lambda: scipy.fft.ifft2(scipy.fft.fft2(array)), samples),
        "torch, real": nanoseconds(lambda: torch.fft.irfft2(torch.fft.rfft2(pair)), samples),
        "scipy, real": nanoseconds(lambda: scipy.fft.irfft2(scipy.fft.rfft2(arrays)), samples),
        **compiled((length, length)),
    }


def volume_row(shape: tuple[int, ...]) -> dict[str, Any]:
    """Return the times of a volume."""
    z = torch.randn(shape, dtype=torch.complex64)
    library = nanoseconds(lambda: torch.fft.ifftn(torch.fft.fftn(z)), 2 * z.numel())
    return {"length": " x ".join(map(str, shape)), "torch, complex": library, **compiled(shape)}


def compiled(shape: tuple[int, ...]) -> dict[str, float]:
    """Return the time of compiled transforms, if there are any of this shape."""
    if not has_compiler() or any(length % 8 for length in shape):
        return {}
    pair = torch.randn(2, *shape)
    filtering = PairFilter(torch.rand([5] * len(shape)), shape, [4] * len(shape))
    both, second = pair.view(1, -1, *shape[1:]), pair[0].numel()
    return {"compiled": nanoseconds(lambda: filtering.apply(both, 0, second), pair.numel())}


if __name__ == "__main__":
    torch.set_num_threads(1)
    with no_malloc_trim():
        rows = [row(length) for length in LENGTHS] + [volume_row(shape) for shape in VOLUMES]
    write_table(
        "transform-lengths",
        "Fourier transforms there and back, ns for a real sample, by length of a square or volume",
        rows,
        f"One thread, best of {REPETITIONS}; `richardson-lucy` transforms two blocks as one "
        "complex one.",
    )
