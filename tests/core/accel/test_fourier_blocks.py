"""Compiled transforms of blocks against the library's in float64."""

import numpy as np
import pytest
import torch

pytest.importorskip("numba")

from unblur.accel.elementary import exponential, logarithm
from unblur.accel.fourier import vector_transforms
from unblur.accel.fourier.pair_filter import PairFilter
from unblur.accel.fourier.vector_transforms import factorize
from unblur.accel.jit import subroutine


@pytest.mark.parametrize("lengths", [(8, 16), (24, 40), (3, 8, 8), (5, 16, 24), (12, 8, 40)])
def test_two_blocks_are_filtered_at_once(lengths):
    generator = torch.Generator().manual_seed(0)
    axes = tuple(range(-len(lengths), 0))
    kernel = torch.rand([min(n, 5) for n in lengths], generator=generator)
    # Blocks that overlap in one image, whose rows are longer.
    image = torch.rand([n + 3 for n in lengths], generator=generator)
    blocks = [image[tuple(slice(a, a + n) for n in lengths)] for a in (0, 2)]
    found = PairFilter(kernel, lengths, [0] * len(lengths)).apply(
        image[None], *(block.storage_offset() for block in blocks)
    )
    grid = torch.zeros(lengths, dtype=torch.float64)
    grid[tuple(slice(0, n) for n in kernel.shape)] = kernel.double()
    for block, result in zip(blocks, found, strict=True):
        spectrum = torch.fft.fftn(block.double(), dim=axes) * torch.fft.fftn(grid)
        expected = torch.fft.ifftn(spectrum, dim=axes).real.float()
        torch.testing.assert_close(result, expected, atol=2e-6, rtol=2e-6)


def test_a_length_needs_small_factors():
    with pytest.raises(ValueError, match="5-smooth"):
        factorize(14)


def test_logarithm_and_exponential_agree_with_the_library():
    @subroutine
    def evaluate(x, logarithms, powers):
        for n in range(len(x)):
            logarithms[n], powers[n] = logarithm(x[n]), exponential(logarithm(x[n]))

    x = np.geomspace(1e-6, 1e6, 1001, dtype=np.float32)
    logarithms, powers = np.empty_like(x), np.empty_like(x)
    evaluate(x, logarithms, powers)
    np.testing.assert_allclose(logarithms, np.log(x.astype(float)), rtol=3e-7, atol=1e-7)
    np.testing.assert_allclose(powers, np.exp(logarithms.astype(float)), rtol=3e-7)
    evaluate(np.array([np.nan, np.inf], np.float32), logarithms, powers)
    assert np.isnan(logarithms[0])
    assert np.isnan(powers[0])
    assert logarithms[1] == np.inf


def test_passes_of_each_radix_have_a_name_of_their_own_by_which_code_on_disk_is_linked():
    passes = [value for name, value in vars(vector_transforms).items()
              if name.startswith(("_split", "_join"))]  # fmt: skip
    assert len({found.py_func.__qualname__ for found in passes}) == len(passes) == 8
