import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unblur.errors import KernelError
from unblur.model.kernel import Kernel, KernelField


def test_a_kernel_sums_to_one_and_cannot_be_altered():
    kernel = Kernel(np.full((3, 5), 7.0))
    assert kernel.weights.dtype == np.float32
    assert kernel.weights.sum() == pytest.approx(1)
    with pytest.raises(ValueError, match="read-only"):
        kernel.weights[0, 0] = 1


def test_a_stored_kernel_is_read_back_bit_for_bit():
    values = np.random.default_rng(0).random((25, 25))
    once = Kernel(values)
    np.testing.assert_array_equal(Kernel(once.weights).weights, once.weights)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.zeros((3, 3)), "all zeros"),
        (np.array([[1.0, -2.0]]), "positive sum"),
        (np.array([[1.0, -0.5]]), "non-negative"),
        (np.array([[1.0, np.nan]]), "NaN"),
        (np.ones(4), "2 or 3 axes"),
        (np.ones((3, 0)), "at least one sample"),
        (np.ones((2, 2), complex), "real numbers"),
    ],
)
def test_a_broken_rule_is_named(weights, message):
    with pytest.raises(KernelError, match=message):
        Kernel(weights)


def test_flipping_turns_about_the_centre():
    weights = np.zeros((4, 4))
    weights[0, 3] = 1  # two above and one right of the centre (2, 2)
    flipped = Kernel(weights).flipped()
    centre = [n // 2 for n in flipped.shape]
    assert flipped.weights[centre[0] + 2, centre[1] - 1] == 1


@given(row=st.integers(0, 8), column=st.integers(0, 7))
def test_centring_brings_the_mass_to_the_middle(row, column):
    weights = np.zeros((9, 8))
    weights[row, column] = 1
    assert Kernel(weights).centred().weights[4, 4] == 1


@given(st.integers(3, 12), st.integers(3, 12))
def test_cropping_keeps_the_centre_where_it_was(h, w):
    weights = np.zeros((h, w))
    weights[h // 2, w // 2] = 1
    weights[h // 2, w // 2 - 1] = 0.5
    cropped = Kernel(weights).cropped()
    assert cropped.weights[tuple(n // 2 for n in cropped.shape)] == pytest.approx(2 / 3)
    assert cropped.weights.size <= weights.size


def test_a_field_wants_one_shape_and_a_full_grid():
    small, large = Kernel.delta(), Kernel(np.ones((3, 3)))
    with pytest.raises(KernelError, match="one shape"):
        KernelField(((small, large),), (0.0,), (0.0, 1.0))
    with pytest.raises(KernelError, match="as many kernels"):
        KernelField(((small,),), (0.0,), (0.0, 1.0))
    with pytest.raises(KernelError, match="ascend"):
        KernelField(((small, small),), (0.0,), (1.0, 0.0))


def test_a_single_kernel_is_the_one_by_one_field():
    field = KernelField.single(Kernel(np.ones((3, 3))))
    assert field.is_uniform
    assert field.shape == (1, 1)
    np.testing.assert_allclose(field.mean.weights, 1 / 9)
