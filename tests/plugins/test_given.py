from __future__ import annotations

import numpy as np
import pytest
import torch

from unblur.errors import ImageError, KernelError, ParamsError
from unblur.io import write_kernel
from unblur.model.context import Context
from unblur.model.kernel import Kernel, KernelField
from unblur.testing import check_stage
from unblur_classic.given import Given

IMAGE = torch.rand(1, 20, 20)


def test_laws_hold():
    check_stage(Given, {"weights": [[0, 1], [2, 3]]})


def test_kernel_from_a_file(tmp_path):
    kernel = Kernel(np.random.default_rng(0).random((5, 7)))
    path = write_kernel(kernel, tmp_path / "psf.tif")
    found = Given(path=str(path)).estimate(IMAGE, Context())
    assert np.array_equal(found.kernel.weights, kernel.weights)


def test_field_of_kernels_from_a_file(tmp_path):
    row = tuple(Kernel(np.random.default_rng(i).random((3, 3))) for i in range(2))
    path = write_kernel(KernelField((row,), (10.0,), (5.0, 15.0)), tmp_path / "field.tif")
    found = Given(path=str(path)).estimate(IMAGE, Context())
    assert found.field.shape == (1, 2)


def test_kernel_from_the_pipeline_in_3d():
    found = Given(weights=[[[1, 1], [1, 1]], [[2, 2], [0, 0]]]).estimate(IMAGE, Context())
    assert found.kernel.shape == (2, 2, 2)
    assert found.kernel.weights.sum() == pytest.approx(1)


@pytest.mark.parametrize("params", [{}, {"path": "psf.tif", "weights": [[1.0]]}])
def test_exactly_one_source(params):
    with pytest.raises(ParamsError, match="give one"):
        Given(params)


def test_an_unreadable_kernel_raises(tmp_path):
    with pytest.raises(ImageError, match=r"absent\.tif"):
        Given(path=str(tmp_path / "absent.tif")).estimate(IMAGE, Context())
    with pytest.raises(KernelError, match="one length"):
        Given(weights=[[1, 2], [1]]).estimate(IMAGE, Context())
    with pytest.raises(KernelError, match="non-negative"):
        Given(weights=[[1, -2, 4]]).estimate(IMAGE, Context())
