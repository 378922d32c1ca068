"""The gain that a network predicts for a kernel."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from unblur.model.context import Context
from unblur.numerics.synthesis import shake_kernel
from unblur.testing import synthetic_scene
from unblur_classic.map.scoring import KernelScorer
from unblur_classic.map.search.gain_features import CELL, feature_maps, mean_of_cells
from unblur_classic.map.search.gain_prediction import (
    MAX_GAIN,
    MIN_CELLS,
    N_FEATURES,
    border_of,
    gain_of_errors,
    load_ensemble,
    predict_gain,
    residual_maps,
)

NOISE = 0.02
"""Standard deviation of the noise of the scene, contrast = 1."""


@pytest.fixture(scope="module")
def shaken():
    kernel = shake_kernel(15, torch.Generator().manual_seed(5))
    given = synthetic_scene((200, 240), kernel, noise=0.003, seed=6)
    y = given.blurred[0]
    return (y - y.mean()) / y.std(), torch.from_numpy(np.array(kernel.weights)).float()


def restore(image, kernel):
    return KernelScorer(image, torch.ones_like(image), Context()).restore(kernel, image)


def test_the_true_kernel_is_predicted_to_gain_more_than_wrong_ones(shaken):
    image, true = shaken
    gains = [
        predict_gain(image, NOISE, kernel, restore(image, kernel))
        for kernel in (true, true.flip(0), torch.ones(15, 15) / 225)
    ]
    assert gains[0] > 1
    assert max(gains[1:]) < gains[0] - 1
    assert all(abs(gain) <= MAX_GAIN for gain in gains)


def test_neither_brightness_nor_the_sum_of_the_kernel_matters(shaken):
    image, true = shaken
    sharp = restore(image, true)
    first = predict_gain(image, NOISE, true, sharp)
    assert predict_gain(image + 7, NOISE, 3 * true, sharp + 7) == pytest.approx(first, abs=0.02)


def test_an_image_of_few_pixels_has_no_prediction():
    least = CELL * (2 + MIN_CELLS)
    image = torch.randn(least, least, generator=torch.Generator().manual_seed(1))
    assert math.isfinite(predict_gain(image, NOISE, torch.ones(1, 1), image))
    assert math.isnan(predict_gain(image[1:], NOISE, torch.ones(1, 1), image[1:]))
    assert math.isfinite(predict_gain(image, NOISE, torch.ones(least - 1, least - 1), image))
    assert math.isnan(predict_gain(image, NOISE, torch.ones(least, least), image))


def test_the_features_are_as_many_as_the_network_takes(shaken):
    image, true = shaken
    sharp = restore(image, true)
    maps = feature_maps(image, NOISE, true, sharp, residual_maps(sharp, true, image))
    assert maps.shape == (N_FEATURES, 200 // CELL, 240 // CELL)
    assert len(load_ensemble().members[0].mean) == N_FEATURES


def test_the_gain_of_maps_of_errors_is_that_of_their_means():
    errors = torch.rand(2, 12, 14, generator=torch.Generator().manual_seed(2)) + 0.1
    inside = errors[:, 2:-2, 2:-2].mean((1, 2))
    gain = float(gain_of_errors(errors.log(), 2))
    assert gain == pytest.approx(10 * math.log10(inside[0] / inside[1]), abs=1e-4)


@pytest.mark.parametrize(("extent", "cells", "border"), [(5, 40, 3), (101, 40, 7), (101, 12, 2)])
def test_the_border_that_a_kernel_spoils_leaves_some_cells(extent, cells, border):
    assert border_of(torch.ones(extent, extent), torch.zeros(1, cells, cells)) == border


def test_the_mean_of_cells_is_that_of_their_pixels():
    x = torch.arange(17 * 20.0).view(1, 17, 20)
    cells = mean_of_cells(x)
    assert cells.shape == (1, 2, 2)
    assert float(cells[0, 1, 1]) == float(x[0, 8:16, 8:16].mean())
