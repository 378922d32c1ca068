"""Memory: counted, predicted, and run out of."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from engine_stages import Sharpen

from unblur.accel.memory import AllocationCounter, available, is_out_of_memory
from unblur.engine import deblur, run_job
from unblur.engine.job import DeblurJob, SizeLimits
from unblur.engine.running.one_image import choose_way
from unblur.engine.tiles import planning
from unblur.engine.tiles.footprint import profile_memory
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
        deblur(np.eye(300), hungry(narrowest=90), box, tile=64)


def job_for(pipeline, shape, psf, **tiles):
    image = Image(np.zeros(shape, np.uint16), "YX")
    return DeblurJob.of(image, pipeline("deconvolve:inverse", **tiles), psf, Context())


def plan_of(job, **options):
    return planning.make_plan(job, job.processor, **options)


def test_the_plan_follows_memory(pipeline, box):
    job = job_for(pipeline, (1500, 1500), box)
    assert choose_way(job, free=10**11) == "whole"
    sizes = []
    for free in (10**8, 2 * 10**7, 10**7):
        assert choose_way(job, free=free) == "tiled"
        assert choose_way(job, free=free, to_file=True) == "streamed"
        plan = plan_of(job, workers=1, free=free)
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
            run_steps(torch.rand(1, edge, edge), job.stages, job.field.mean, job.context)
        predicted = footprint.predict((edge, edge), on_gpu=True)
        assert counter.peak <= predicted <= 2 * counter.peak


def test_arrays_are_counted_on_request():
    with AllocationCounter(arrays=True) as counter:
        values = np.zeros(10**6)
        del values
    assert 8 * 10**6 <= counter.peak < 9 * 10**6


def test_views_of_given_tensors_are_not_counted():
    given = torch.zeros(1000)
    with AllocationCounter(given) as counter:
        given.view(10, 100) + 0
    assert counter.peak == 4000
    assert counter.at_peak == (0, 4000)


@pytest.mark.parametrize(
    ("edge", "to_file", "expected"),
    [(1024, True, "whole"), (8192, True, "streamed"), (8192, False, "tiled")],
)
def test_the_decision_on_an_image_depends_on_its_size(pipeline, box, edge, to_file, expected):
    assert choose_way(vast_job(pipeline, edge, box), to_file=to_file) == expected


def test_the_decision_heeds_what_is_required(pipeline, box):
    job = job_for(pipeline, (300, 300), box)
    assert choose_way(job) == "whole"
    assert choose_way(job, is_recorded=True) == "streamed"
    assert choose_way(job_for(pipeline, (300, 300), box, size=200)) == "tiled"
    found = DeblurJob.of(job.image, pipeline("kernel:box"), None, Context())
    assert choose_way(found, to_file=True) == "whole"


def vast_job(pipeline, edge, psf):
    """Return a job on an image that takes no memory: one value, repeated."""
    values = np.broadcast_to(np.uint16(7), (edge, edge))
    return DeblurJob.of(Image(values, "YX"), pipeline("deconvolve:inverse"), psf, Context())


def test_the_plan_says_the_way_that_a_run_takes(pipeline, box):
    from unblur.engine import plan

    y = np.random.default_rng(0).random((1100, 1100)).astype(np.float32)
    steps = pipeline("deconvolve:inverse")
    assert plan(y, steps, box).way == "whole"
    assert deblur(y, steps, box).report.tiles is None
    made = plan(y, steps, box, tile=600)
    assert made.way == "tiled"
    assert deblur(y, steps, box, tile=600).report.tiles["count"] == made.tiles


def test_a_plan_measures_time_and_memory_on_request(pipeline, box):
    from unblur.engine import plan

    y = np.random.default_rng(0).random((600, 600)).astype(np.float32)
    made = plan(y, pipeline("deconvolve:slow"), box, timed=True)
    assert 0.25 < made.expected.seconds < 10
    assert made.expected.memory > 5 * 10**7
    assert made.summary()["expected"]["seconds"] == made.expected.seconds


def test_the_time_of_a_kernel_step_is_part_of_the_plan(pipeline):
    from unblur.engine import plan

    y = np.random.default_rng(0).random((300, 300)).astype(np.float32)
    assert plan(y, pipeline("kernel:box", "deconvolve:sharpen"), timed=True).expected.seconds > 0


def test_tiles_fill_chunks_of_the_output(pipeline, box):
    job = job_for(pipeline, (1500, 1500), box)
    plan = plan_of(job, chunk_shape=(1, 1, 1, 128, 128), workers=1, free=5 * 10**7)
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


@pytest.mark.skipif(sys.platform != "linux", reason="other systems report the process's own")
def test_the_peak_of_a_process_is_its_own_and_not_that_of_its_parent():
    held = np.ones(2**26)  # 512 MiB
    code = "from unblur.accel.memory import peak_resident_memory as p; print(p())"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 0 < int(found.stdout) < held.nbytes
