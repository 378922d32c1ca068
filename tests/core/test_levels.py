"""What is measured of a whole image and told to its tiles."""

import numpy as np
import pytest
import torch

from unblur.engine.intake.statistics import Levels
from unblur.model.context import Context


def test_levels_are_those_of_all_trusted_values_together():
    draw = torch.Generator().manual_seed(0)
    image = torch.rand(2, 12, 16, generator=draw) * torch.tensor([1.0, 0.1])[:, None, None]
    mask = (torch.rand(12, 16, generator=draw) > 0.2).float()
    halves = (slice(0, 9), slice(9, 16))
    pieces = [(image[..., half], mask[..., half]) for half in halves]
    levels = Levels.of(pieces, noise=0.01)
    trusted = image[:, mask > 0].numpy()
    for context, values in zip(levels.contexts(Context()), trusted, strict=True):
        assert context.noise == 0.01
        assert context.contrast == pytest.approx(values.std(), rel=1e-5)
        assert context.brightness == pytest.approx(values.mean(), rel=1e-5)
    together = levels.together(Context())
    assert together.brightness == pytest.approx(np.mean(trusted), rel=1e-5)
