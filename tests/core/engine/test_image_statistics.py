"""Statistics of a whole image, used for all its tiles."""

import numpy as np
import pytest
import torch
from engine_stages import Luma

from unblur.engine.intake.image_statistics import ImageStatistics
from unblur.engine.steps.sequence import run_steps
from unblur.model.context import Context
from unblur.model.kernel import Kernel, KernelField


def test_statistics_are_those_of_all_valid_values_pooled():
    draw = torch.Generator().manual_seed(0)
    image = torch.rand(2, 12, 16, generator=draw) * torch.tensor([1.0, 0.1])[:, None, None]
    mask = (torch.rand(12, 16, generator=draw) > 0.2).float()
    split_tile = (slice(0, 9), slice(9, 16))
    pieces = [(image[..., half], mask[..., half]) for half in split_tile]
    statistics = ImageStatistics.of(pieces, noise=0.01)
    valid = image[:, mask > 0].numpy()
    for context, values in zip(statistics.contexts(Context()), valid, strict=True):
        assert context.noise == 0.01
        assert context.contrast == pytest.approx(values.std(), rel=1e-5)
        assert context.brightness == pytest.approx(values.mean(), rel=1e-5)
    pooled = statistics.pooled(Context())
    assert pooled.brightness == pytest.approx(np.mean(valid), rel=1e-5)


def test_an_image_in_memory_is_measured_as_one_block():
    draw = torch.Generator().manual_seed(1)
    image = 0.5 + 0.1 * torch.randn(2, 300, 20, generator=draw)
    mask = (torch.rand(300, 20, generator=draw) > 0.2).float()
    whole, block = (
        ImageStatistics.of_whole(image, mask, None),
        ImageStatistics.of([(image, mask)], None),
    )
    assert whole.noise == block.noise
    assert whole.contrast == pytest.approx(block.contrast, rel=1e-9)
    assert whole.brightness == pytest.approx(block.brightness, rel=1e-9)
    assert ImageStatistics.of_whole(image, None, 0.25).noise == (0.25, 0.25)


@pytest.mark.parametrize("needs", [True, False])
def test_the_windows_of_a_field_share_the_statistics_of_the_image(needs):
    seen = []

    class Recording(Luma):
        couples_channels = False
        needs_noise = needs

        def deconvolve(self, blurred, kernel, context, mask=None):
            seen.append((context.noise, context.contrast, context.brightness))
            return blurred

    draw = torch.Generator().manual_seed(2)
    image = torch.rand(1, 64, 64, generator=draw)
    image[:, :32] *= 0.1
    kernels = tuple(Kernel(np.eye(3) + row) for row in (0, 1))
    field = KernelField(tuple((kernel,) for kernel in kernels), (16.0, 48.0), (32.0,))
    run_steps(image, (Recording(),), field, Context())
    found = ImageStatistics.of_whole(image, None, None)
    assert len(seen) > 1
    assert set(seen) == {
        (found.noise[0] if needs else None, found.contrast[0], found.brightness[0])
    }
