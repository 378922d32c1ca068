"""The same image gives the same result on one and two threads, in tiles, and in either byte order.

`python benchmarks/same_everywhere.py` measures the differences on a photograph.
"""

import numpy as np
import pytest
import torch

from unblur.engine import deblur
from unblur.numerics.synthesis import gaussian_kernel
from unblur.pipeline import Pipeline

MAX_DIFFERENCE = 1e-4
"""Largest difference of two results that count as equal, relative to the range of the image."""

METHODS = ("wiener", "richardson-lucy", "tv", "hyper-laplacian")
KERNEL = gaussian_kernel(1.0, 7)


@pytest.fixture(scope="module")
def counts():
    """Return counts of a sensor: bright and dark squares with noise."""
    rng = np.random.default_rng(28)
    squares = np.kron(rng.random((9, 8)), np.ones((16, 16)))
    return (20000 + 30000 * squares + rng.normal(0, 300, squares.shape)).astype(np.uint16)


def restore(counts, method, **options):
    pipeline = Pipeline(summary="A test.", steps=[{"deconvolve": method}])
    return np.asarray(deblur(counts, pipeline, KERNEL, device="cpu", **options).image)


def difference(first, second, counts):
    return np.abs(first.astype(float) - second).max() / np.ptp(counts.astype(float))


@pytest.fixture(scope="module")
def on_one_thread(counts):
    """Return a function that gives the result of a method on one thread, computed once."""
    made, before = {}, torch.get_num_threads()

    def result(method):
        if method not in made:
            torch.set_num_threads(1)
            made[method] = restore(counts, method)
        return made[method]

    yield result
    torch.set_num_threads(before)


@pytest.mark.parametrize("method", METHODS)
def test_two_threads_give_the_result_of_one(counts, on_one_thread, method):
    one = on_one_thread(method)
    torch.set_num_threads(2)
    assert difference(restore(counts, method), one, counts) < MAX_DIFFERENCE
    assert difference(one, counts, counts) > 0.05


@pytest.mark.parametrize("method", METHODS)
def test_big_endian_values_give_the_result_of_little_endian_ones(counts, on_one_thread, method):
    torch.set_num_threads(1)
    found = restore(counts.astype(">u2"), method)
    np.testing.assert_array_equal(found, on_one_thread(method))
