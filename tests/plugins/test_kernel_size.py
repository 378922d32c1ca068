"""Blind estimation of the kernel size, and the memory kept meanwhile."""

import numpy as np
import pytest
import torch
from PIL import Image

from unblur.accel.malloc import no_malloc_trim
from unblur.model.context import Context
from unblur.numerics.synthesis import motion_kernel
from unblur.plugins import registry
from unblur.testing import gaussian, synthetic_scene
from unblur_classic.map.kernel_size import estimate_kernel_size

SUPPORT = {1: 17, 2: 15, 3: 12, 4: 24, 5: 11, 6: 19, 7: 20, 8: 21}
"""Larger side of the box around all that is above 0 in Levin's kernels, in pixels."""


@pytest.mark.parametrize(("image", "kernel"), [(3, 4), (1, 5)])
def test_the_estimated_size_holds_levins_kernels(shared, image, kernel):
    folder = shared / "data" / "levin09" / "blurred_16bit"
    values = np.asarray(Image.open(folder / f"im{image}_kernel{kernel}_img.png"))
    blurred = torch.tensor(values.astype(np.float32) / 65535)[None]
    assert 1 <= estimate_kernel_size(blurred, Context()) / SUPPORT[kernel] <= 1.6


def test_a_large_blur_gets_a_larger_size():
    small, large = (
        estimate_kernel_size(synthetic_scene((130, 130), kernel, seed=6).blurred, Context())
        for kernel in (motion_kernel(7, 30), motion_kernel(29, 30))
    )
    assert small <= 21
    assert 25 <= large <= 59


@pytest.mark.parametrize("edge", [9, 16, 33])
def test_the_size_is_odd_and_at_most_half_the_image(edge):
    blurred = synthetic_scene((edge, 60), gaussian((3, 3), 0.8)).blurred
    extent = estimate_kernel_size(blurred, Context())
    assert extent % 2 == 1
    assert extent <= edge / 2


def test_the_size_is_a_method_of_the_estimator_and_none_by_default():
    blurred = synthetic_scene((64, 64), motion_kernel(7, 30), seed=6).blurred
    stage = registry().stage("kernel", "map")()
    assert stage.kernel_size(blurred, Context()) == estimate_kernel_size(blurred, Context())
    assert registry().stage("kernel", "schuler")().kernel_size(blurred, Context()) is None


def test_memory_is_given_back_after_an_error():
    with pytest.raises(ZeroDivisionError), no_malloc_trim():
        torch.ones(1000) / (1 // 0)
    with no_malloc_trim():
        assert float(torch.ones(1000, 1000).sum()) == 1e6
