"""A streamed run, and what runs in processes of their own, so that tests can kill them."""

import os
from importlib import import_module
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


def run_alone(source, output, seconds):
    """Deblur in a process of its own."""
    # Within the tests, the fixture `stages` does it and undoes it.
    unblur.pipeline.registry = tiny_registry
    streamed(source, output, seconds)


def run_dask_program(name, *arguments):
    """Run `dask NAME` in a process of its own, without its messages."""
    for stream in (1, 2):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    import_module(f"distributed.cli.dask_{name}").main(arguments)
