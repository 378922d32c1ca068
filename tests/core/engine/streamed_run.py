"""A streamed run as a program of its own, so that tests can kill it.

python streamed_run.py INPUT.zarr OUTPUT SECONDS_PER_TILE [resume] [scheduler=NAME] [workers=N]
"""

import sys
from pathlib import Path

import numpy as np
from engine_stages import tiny_registry

import unblur.pipeline
from unblur.engine.job import DeblurJob
from unblur.engine.running.schedulers import make_scheduler
from unblur.io import read_image
from unblur.model.context import Context
from unblur.pipeline import Pipeline
from unblur.runs import deblur_to_store

BOX = np.full((3, 3), 1 / 9)
TILE = 64


def streamed(source, output, seconds, *, resume=False, scheduler="threads", workers=2, **options):
    """Deblur `source` into `output` by the stage `slow` in tiles of 64 pixels."""
    step = {"deconvolve": "slow", "params": {"seconds": seconds}}
    pipeline = Pipeline(summary="A test.", steps=[step], tiles={"size": TILE})
    image = read_image(source, lazy=True)
    return deblur_to_store(
        DeblurJob.of(image, pipeline, BOX, Context()),
        Path(output),
        resume=resume,
        scheduler=make_scheduler(scheduler, workers, device="cpu", **options),
        workers=workers,
    )


if __name__ == "__main__":
    # Only in a process of its own: within the tests, the fixture `stages` does it and undoes it.
    unblur.pipeline.registry = tiny_registry
    source, output, seconds, *rest = sys.argv[1:]
    named = dict(part.split("=") for part in rest if "=" in part)
    result = streamed(
        source,
        output,
        float(seconds),
        resume="resume" in rest,
        scheduler=named.get("scheduler", "threads"),
        workers=int(named.get("workers", 2)),
    )
    sys.stdout.write(result.report.to_json())
