import torch

from unblur.accel.huge_pages import zeros_in_huge_pages
from unblur.accel.memory import AllocationCounter


def test_zeros_have_the_type_and_the_shape_and_can_be_written():
    for dtype in (torch.float32, torch.float64):
        found = zeros_in_huge_pages(torch.ones(1, dtype=dtype), (3, 2**20))
        assert found.dtype == dtype
        assert found.shape == (3, 2**20)
        assert found.count_nonzero() == 0
        found += 1
        assert found.is_contiguous()
        assert float(found.sum()) == 3 * 2**20


def test_their_memory_is_counted():
    with AllocationCounter() as counter:
        zeros_in_huge_pages(torch.ones(1), (100,))
    assert counter.peak >= 400
