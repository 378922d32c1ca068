"""Tiles give each step as much of the image as it and the steps after it need."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from unblur.engine.intake.image_statistics import ImageStatistics
from unblur.engine.job import DeblurJob
from unblur.engine.tiles.footprint import Footprint, StageFootprint
from unblur.model.context import Context
from unblur.model.image import Image
from unblur.model.stages import Postprocessor
from unblur.pipeline import Pipeline
from unblur.testing import gaussian

STEPS = [{"deconvolve": "wiener"}, {"postprocess": "dering"}, {"postprocess": "clip"}]


@pytest.fixture
def job() -> DeblurJob:
    values = np.random.default_rng(0).random((160, 180)).astype(np.float32)
    pipeline = Pipeline(summary="Steps.", steps=STEPS)
    return DeblurJob.of(Image(values, "YX"), pipeline, gaussian((5, 5), 1.0), Context(noise=0.1))


def test_steps_on_parts_of_a_tile_equal_those_on_all_of_it(job):
    processor = replace(job.processor, statistics=job.statistics)
    halos = processor.remaining_halos()
    assert halos[0] == processor.halo
    assert halos[0] > halos[1] > halos[2] == (0, 0)
    crop = (slice(60, 90), slice(70, 100))
    block = np.asarray(job.image.data)[None]
    whole = processor.run(block, crop)
    parts = processor.run(block, crop, halos=halos)
    assert parts.values.shape == whole.values.shape
    assert np.abs(parts.values - whole.values).max() < 1e-4
    assert parts.light.before == pytest.approx(whole.light.before)


def test_a_step_is_given_its_part_and_its_position(job):
    found = []

    class Look(Postprocessor):
        name = "look"

        def process(self, image, blurred, kernel, context):
            found.append((image.shape, blurred.shape, context.origin))
            return image

        def halo(self, kernel):
            return (3, 4)

    stages = (*job.processor.stages[:1], Look())
    processor = replace(job.processor, stages=stages, statistics=job.statistics)
    crop = (slice(60, 90), slice(2, 40))
    processor.run(
        np.asarray(job.image.data)[None], crop, (100, 200), halos=processor.remaining_halos()
    )
    # Beyond the first column the block has two more.
    assert found == [((1, 36, 44), (1, 36, 44), (157, 200))]


def test_the_halo_of_an_image_is_that_of_its_clearest_channel():
    statistics = ImageStatistics((0.02, 0.01, 0.1), (0.2, 0.2, 0.0), (0.5, 0.5, 0.0))
    context = statistics.of_least_noise(Context())
    assert (context.noise, context.contrast) == pytest.approx((0.01, 0.2))


def test_later_steps_need_memory_for_less_of_a_tile():
    first, last = (StageFootprint(f"{n}", (halo,) * 2, 0, 100) for n, halo in ((1, 100), (2, 5)))
    footprint = Footprint((first, replace(last, per_pixel=300)), (1, 1), 1, 2)
    padded, interior = (410, 410), (200, 200)
    whole = footprint.predict(padded, interior=None)
    assert footprint.predict(padded, interior=interior) < 0.6 * whole
    assert footprint.predict(padded, interior=padded) == whole


def test_a_tile_is_cut_without_a_mask_or_with_one(job):
    block = np.asarray(job.image.data)[None].copy()
    block[0, 70:72, 80:83] = np.nan
    processor = replace(job.processor, statistics=job.statistics)
    crop = (slice(60, 90), slice(70, 100))
    whole = processor.run(block, crop)
    parts = processor.run(block, crop, halos=processor.remaining_halos())
    assert np.array_equal(np.isnan(whole.values), np.isnan(parts.values))
    assert np.nanmax(np.abs(parts.values - whole.values)) < 1e-4
    assert torch.is_tensor(parts.steps.image)
