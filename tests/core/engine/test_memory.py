"""Memory: counted, predicted, and run out of."""

import numpy as np
import pytest
import torch
from engine_stages import Sharpen

from unblur.engine import deblur, run_job
from unblur.engine.job import DeblurJob, SizeLimits
from unblur.engine.tiles import planning
from unblur.engine.tiles.memory import (
    AllocationCounter,
    available,
    is_out_of_memory,
    profile_memory,
)
from unblur.errors import UnblurError
from unblur.model.context import Context
from unblur.model.image import Image


def test_live_memory_counts_what_is_alive():
    with AllocationCounter() as live:
        x = torch.zeros(1000)
        y = x + 1
        del x
        z = y.view(10, 100)
        z = z * 2
    assert live.peak == 8000
    assert live.now == 8000
    del y
    assert live.now == 4000


def test_there_is_memory():
    assert 10**7 < available("cpu") < 10**14


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("cuFFT error: CUFFT_ALLOC_FAILED"), True),
        (RuntimeError("shape mismatch"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_what_counts_as_out_of_memory(error, expected):
    assert is_out_of_memory(error) is expected


@pytest.fixture
def hungry(pipeline):
    """Return a pipeline whose stage runs out of memory beyond some size."""
    return lambda **params: pipeline("deconvolve:hungry").override(
        {f"hungry.{key}": value for key, value in params.items()}
    )


def test_tiles_are_halved_when_memory_runs_out(hungry, box):
    y = np.random.default_rng(0).random((300, 300)).astype(np.float32)
    result = deblur(y, hungry(largest=40_000), box, tile=256)
    np.testing.assert_allclose(result.image, deblur_whole(y, box), atol=1e-6)
    assert any("halved" in warning for warning in result.report.warnings)


def deblur_whole(y, box):
    from unblur.model.kernel import Kernel

    return Sharpen().deconvolve(torch.from_numpy(y)[None], Kernel(box), Context())[0].numpy()


def test_a_whole_image_falls_back_to_tiles(hungry, box):
    y = np.random.default_rng(0).random((300, 300)).astype(np.float32)
    job = DeblurJob.of(
        Image(y, "YX"),
        hungry(largest=40_000),
        box,
        Context(),
        limits=SizeLimits(unplanned=10),
    )
    result = run_job(job)
    assert any("cut into tiles" in warning for warning in result.report.warnings)
    assert result.report.tiles is not None


def test_an_error_says_that_memory_runs_out_on_the_smallest_tile(hungry, box):
    # What is measured for the plan is wider.
    with pytest.raises(UnblurError, match="memory runs out even on a tile"):
        deblur(np.ones((300, 300)), hungry(narrowest=90), box, tile=64)


def job_for(pipeline, shape, psf, **tiles):
    image = Image(np.zeros(shape, np.uint16), "YX")
    return DeblurJob.of(image, pipeline("deconvolve:inverse", **tiles), psf, Context())


def plan_of(job, **options):
    return planning.make_plan(job, job.processor, **options)


def test_the_plan_follows_memory(pipeline, box):
    job = job_for(pipeline, (1500, 1500), box)
    assert plan_of(job, free_memory=10**11).whole
    sizes = []
    for free in (10**8, 2 * 10**7, 10**7):
        plan = plan_of(job, workers=1, free_memory=free)
        assert not plan.whole
        assert plan.peak <= plan.budget
        sizes.append(plan.tiling.size[0])
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > sizes[-1]


def test_the_prediction_is_near_the_truth(pipeline, box):
    from unblur.engine.steps.sequence import run_steps

    job = job_for(pipeline, (1500, 1500), box)
    footprint = profile_memory(job.processor, (1500, 1500), 1, 2)
    for edge in (300, 700):
        with AllocationCounter() as counter:
            run_steps(torch.zeros(1, edge, edge), job.stages, job.field.mean, job.context)
        predicted = footprint.predict((edge, edge), on_gpu=True)
        assert counter.peak <= predicted <= 2 * counter.peak


def test_tiles_fill_chunks_of_the_output(pipeline, box):
    job = job_for(pipeline, (1500, 1500), box)
    plan = plan_of(job, chunk_shape=(1, 1, 1, 128, 128), workers=1, free_memory=5 * 10**7)
    assert all(size % 128 == 0 for size in plan.tiling.size)


def test_a_given_tile_size_is_kept(pipeline, box):
    plan = plan_of(job_for(pipeline, (1500, 1500), box, size=200))
    assert plan.tiling.size == (200, 200)
    assert not plan.whole


def test_a_plan_of_a_vast_image_is_quick_and_small(pipeline, box):
    import time

    import dask.array as da

    from unblur.engine import plan

    y = da.zeros((100_000, 100_000), chunks=2048, dtype=np.uint16)
    began = time.perf_counter()
    made = plan(y, pipeline("deconvolve:sharpen"), box)
    tiles = list(made.tiling)
    assert time.perf_counter() - began < 5
    assert not made.whole
    assert len(tiles) == made.tiles >= 2000
    assert made.summary()["tiles"] == made.tiles


def test_a_blind_plan_says_what_it_assumes(pipeline):
    from unblur.engine import plan

    made = plan(
        np.random.default_rng(0).random((64, 64)), pipeline("kernel:box", "deconvolve:sharpen")
    )
    assert made.whole
    assert "31x31" in made.remarks[0]
