import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.fft import next_fast_len
from scipy.ndimage import convolve

from unblur.numerics.fourier import apply_otf, fast_length, otf_to_psf, psf_to_otf

extents = st.integers(1, 6)


@given(kh=extents, kw=extents, seed=st.integers(0, 100))
def test_filtering_by_an_otf_is_scipys_periodic_convolution(kh, kw, seed):
    rng = np.random.default_rng(seed)
    x, k = rng.normal(size=(9, 8)), rng.random((kh, kw))
    expected = convolve(x, k, mode="wrap")  # scipy's centre lies at n // 2 too
    got = apply_otf(torch.tensor(x), psf_to_otf(torch.tensor(k), x.shape), 2)
    np.testing.assert_allclose(got.numpy(), expected, atol=1e-12)


def test_a_point_of_light_becomes_the_kernel_around_it():
    k = torch.rand(3, 4, dtype=torch.float64)
    point = torch.zeros(9, 9, dtype=torch.float64)
    point[4, 5] = 1
    blurred = apply_otf(point, psf_to_otf(k, point.shape), 2)
    torch.testing.assert_close(blurred[4 - 1 : 4 + 2, 5 - 2 : 5 + 2], k)


@pytest.mark.parametrize("support", [(3, 3), (4, 5), (2, 3, 4)])
def test_otf_to_psf_inverts_psf_to_otf(support):
    k = torch.rand(support, dtype=torch.float64)
    shape = (12,) * len(support)
    torch.testing.assert_close(otf_to_psf(psf_to_otf(k, shape), shape, support), k)


def test_a_kernel_larger_than_the_grid_is_refused():
    with pytest.raises(ValueError, match="does not fit"):
        psf_to_otf(torch.ones(5, 5), (4, 8))


@pytest.mark.parametrize("n", [1, 7, 17, 255, 1023])
def test_fast_lengths_are_5_smooth_and_no_shorter(n):
    fast = fast_length(n)
    assert fast >= n
    assert fast == 1 or fast % 2 == 0
    for prime in (2, 3, 5):
        while fast % prime == 0:
            fast //= prime
    assert fast == 1


def test_fast_lengths_are_the_even_ones_of_scipy():
    lengths = [*range(2, 600), 2049, 4097, 16385]
    evens = [2 * next_fast_len(-(-n // 2), real=True) for n in lengths]
    assert [fast_length(n) for n in lengths] == evens
    assert fast_length(1) == 1
