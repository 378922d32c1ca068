"""Further training of the shipped weights within a given time."""

from __future__ import annotations

import json
import multiprocessing
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.pool import AsyncResult
from pathlib import Path
from typing import Any

import torch

from unblur.model.context import Context
from unblur.plugins.manager import registry
from unblur.plugins.weights import load_metadata
from unblur.training import Trainer, train

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
PROBED_STEPS = 6
"""Steps whose time gives the number of steps that fit, a count; half of them are not timed."""
USED_SHARE = 0.9
"""Fraction of the time, without that of the validations, that the steps are planned to take."""
VALIDATIONS = 6
"""Validations in a training after the first one, a count."""
REHEARSED_IMAGES = 1
"""Images of a validation in a rehearsal, a count."""


@dataclass(frozen=True)
class TrainingJob:
    """Weights that are trained further.

    Attributes
    ----------
    name : str
        Name of the result, `NAME.safetensors`.
    trainer : str
        Name of the trainer; its other settings are those stated in the weights.
    weights : str
        File of the initial weights, relative to the folder of the plugins.
    data : str
        Folder of training images, relative to that of the data.
    params : dict
        Settings that differ from those stated in the weights.
    """

    name: str
    trainer: str
    weights: str
    data: str
    params: dict[str, Any] = field(default_factory=dict)


JOBS = (
    TrainingJob(
        *("denoiser", "denoiser", "unblur_denoiser/trained/general.safetensors", "photos"),
        {"crops": 64, "rate": 5e-4, "warmup": 100, "average": 0.999},
    ),
    TrainingJob(
        *("plug-and-play", "plug-and-play", "unblur_denoiser/trained/tuned.safetensors", "photos"),
        {"batch": 4, "crop": 128, "rate": 3e-4, "warmup": 50, "average": 0.998},
    ),
    TrainingJob(
        *("svmap-gaussian", "svmap", "unblur_svmap/trained/gaussian.safetensors", "photos"),
        {"crop": 192, "batch": 2, "rate": 4e-4, "warmup": 50, "average": 0.998},
    ),
    TrainingJob(
        *("svmap-saturated", "svmap", "unblur_svmap/trained/saturated.safetensors", "night"),
        {"crop": 192, "batch": 2, "rate": 3e-4, "warmup": 50, "average": 0.998},
    ),
    TrainingJob(
        *("schuler-deep", "schuler", "unblur_schuler/trained/deep.safetensors", "photos"),
        {"batch": 8, "rate": 3e-4, "warmup": 50, "average": 0.998},
    ),
    TrainingJob(
        *("discriminative", "discriminative"),
        *("unblur_discriminative/trained/general.safetensors", "photos"),
        {"batch": 32, "rate": 3e-4, "warmup": 50, "exclude": None},
    ),
)
"""Trainings in the order of their worth."""


def continue_training(
    job: TrainingJob,
    data: Path,
    out: Path,
    device: str,
    seconds: float,
    short: dict[str, Any] | None = None,
    workers: int = 0,
) -> dict[str, Any]:
    """Train weights further for about `seconds`; return the settings and the first and best score.

    It begins at `out/NAME.safetensors` if there is one, else at the shipped weights, with an
    optimiser of its own and as many steps of a cosine schedule as fit.

    Parameters
    ----------
    job : TrainingJob
        What is trained.
    data, out : Path
        Folder of the data, and of the results.
    device : str
        Device, as torch names it.
    seconds : float
        Time for all of it.
    short : dict, optional
        Settings of the trainer in a rehearsal, in which few images are validated; with `steps`,
        the number of steps is not planned.
    workers : int
        Number of processes that make the samples; 0 for this one. They are forked, so that the
        device must not have been used before.
    """
    end = time.monotonic() + seconds
    output = out / f"{job.name}.safetensors"
    begin = output if output.exists() else PLUGINS / job.weights
    trainer: Any = _trainer(job, begin, short or {})
    trainer.prepare(data / job.data)
    if short is not None:
        trainer.validation = trainer.validation[:REHEARSED_IMAGES]
    samples = Samples(trainer.sample, workers) if workers else None
    if samples is not None:
        trainer.sample = samples
    trainer.prepare = lambda _: None
    try:
        step_seconds, validation_seconds = _measure_seconds(trainer, device)
        left = end - time.monotonic() - (VALIDATIONS + 1) * validation_seconds
        planned = max(int(USED_SHARE * left / step_seconds), 1)
        steps = (short or {}).get("steps", planned)
        settings = {"steps": steps, "validate_every": max(steps // VALIDATIONS, 1)}
        trainer.params = trainer.params.model_copy(update=settings)
        trained = out / f".{job.name}.safetensors"
        _remove(trained)
        rows: list[dict[str, float]] = []
        context = Context(device=device, is_cancelled=lambda: time.monotonic() > end)
        result = train(trainer, data / job.data, trained, context, rows.append)
    finally:
        if samples is not None:
            samples.close()
    first = rows[0][trainer.score]
    if result.best > first or not output.exists():
        trained.replace(output)
    _remove(trained)
    return {
        "name": job.name,
        "began at": begin.name,
        "steps": result.step,
        "seconds a step": round(step_seconds, 4),
        "score": trainer.score,
        "before": round(first, 4),
        "best": round(result.best, 4),
        "settings": json.loads(trainer.params.model_dump_json(exclude={"begin"})),
        "log": rows,
    }


class Samples:
    """Samples of a trainer, made ahead by forked processes, the same ones as without these.

    Parameters
    ----------
    sample : callable
        Returns the sample of a number.
    workers : int
        Number of processes.
    """

    def __init__(self, sample: Callable[[int], Any], workers: int) -> None:
        _Sampling.sample = sample
        self._pool = multiprocessing.get_context("fork").Pool(workers, torch.set_num_threads, (1,))
        self._pending: dict[int, AsyncResult[Any]] = {}
        self._ahead = 4 * workers

    def __call__(self, index: int) -> Any:
        """Return sample number `index`, and have the next ones made."""
        for number in range(index, index + self._ahead):
            if number not in self._pending:
                self._pending[number] = self._pool.apply_async(_draw, (number,))
        for number in [n for n in self._pending if n < index or n >= index + self._ahead]:
            del self._pending[number]
        return self._pending.pop(index).get()

    def close(self) -> None:
        """End the processes."""
        self._pool.terminate()


class _Sampling:
    """What the forked processes call."""

    sample: Callable[[int], Any]


def _draw(index: int) -> Any:
    return _Sampling.sample(index)


def _trainer(job: TrainingJob, begin: Path, overrides: dict[str, Any]) -> Trainer:
    """Return the trainer with the settings stated in the weights, and those of the job."""
    cls = registry().trainer(job.trainer)
    stated = json.loads(load_metadata(PLUGINS / job.weights)["params"])
    known = {name: value for name, value in stated.items() if name in cls.Params.model_fields}
    return cls({**known, **job.params, **overrides, "begin": begin})


def _measure_seconds(trainer: Any, device: str) -> tuple[float, float]:
    """Return the times of a step and of a validation."""
    place = torch.device(device)
    model = trainer.model().to(place)
    began = time.perf_counter()
    for step in range(PROBED_STEPS):
        if step == PROBED_STEPS // 2:
            began = time.perf_counter()
        for item in range(trainer.params.batch):
            loss = trainer.loss(model, step * trainer.params.batch + item, place)
            loss.backward()
            float(loss.detach())
    step_seconds = (time.perf_counter() - began) / (PROBED_STEPS - PROBED_STEPS // 2)
    began = time.perf_counter()
    with torch.no_grad():
        trainer.validate(model, place)
    return step_seconds, time.perf_counter() - began


def _remove(weights: Path) -> None:
    """Delete a training's files."""
    for file in weights.parent.glob(f"{weights.stem}.*"):
        file.unlink()
