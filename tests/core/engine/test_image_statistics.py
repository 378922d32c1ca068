"""Statistics of a whole image, used for all its tiles."""

import numpy as np
import pytest
import torch

from unblur.engine.intake.image_statistics import ImageStatistics
from unblur.model.context import Context


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
