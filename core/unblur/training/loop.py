"""The training loop: steps, a running mean of the weights, checkpoints, and cancellation."""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from unblur.accel.malloc import no_malloc_trim
from unblur.errors import Cancelled
from unblur.model.context import Context
from unblur.plugins.weights import save_weights
from unblur.training.checkpoint import Checkpoint, Log
from unblur.training.plot import write_plot
from unblur.training.trainer import Trainer, TrainingParams

OnReport = Callable[[dict[str, float]], None]
"""Callback that receives each line of the log."""


@dataclass(frozen=True)
class TrainingResult:
    """The result of a training.

    Attributes
    ----------
    step : int
        Optimiser steps done in all, those of earlier runs included.
    finished : bool
        False if it was stopped before its last step.
    best : float
        Best validation score; -inf before the first validation.
    weights : Path
        File of the weights with that score.
    sha256 : str
        Hash of that file, empty if there is none yet.
    """

    step: int
    finished: bool
    best: float
    weights: Path
    sha256: str


def train(
    trainer: Trainer,
    data: Path,
    output: Path,
    context: Context,
    on_report: OnReport | None = None,
) -> TrainingResult:
    """Train until the last step or until cancellation, starting from a checkpoint if there is one.

    Beside `output` (the best weights so far, `.safetensors`) the files `.checkpoint.safetensors`
    (the state needed to continue), `.log.jsonl` (one line per validation) and `.svg` (the curves)
    are written.

    Parameters
    ----------
    trainer : Trainer
        Model, samples, loss, validation and params.
    data : Path
        Folder of training data.
    output : Path
        File of the weights, ending in `.safetensors`.
    context : Context
        Device, progress and cancellation. On cancellation a checkpoint is written and
        the call returns.
    on_report : callable, optional
        Receives each line of the log.
    """
    settings: TrainingParams = trainer.params
    device = torch.device(context.device)
    trainer.prepare(data)
    torch.manual_seed(settings.seed)
    run = _Run(trainer, output, device, on_report)
    run.resume()
    last_save = time.monotonic()
    try:
        with no_malloc_trim():
            if run.step == 0:
                run.validate()
            for _ in context.track(range(run.step, settings.steps), trainer.name):
                run.advance()
                if run.step % settings.validate_every == 0 or run.step == settings.steps:
                    run.validate()
                if time.monotonic() - last_save >= 60 * settings.checkpoint_minutes:
                    run.save()
                    last_save = time.monotonic()
    except (Cancelled, KeyboardInterrupt):
        run.save()
        return run.outcome(finished=False)
    run.save()
    return run.outcome(finished=True)


class _Run:
    """The state of one training."""

    def __init__(
        self, trainer: Trainer, output: Path, device: torch.device, on_report: OnReport | None
    ) -> None:
        self.trainer = trainer
        self.settings: TrainingParams = trainer.params
        self.output = output
        self.device = device
        self.on_report = on_report
        self.model: nn.Module = trainer.model().to(device)
        self.averaged = copy.deepcopy(self.model).requires_grad_(False)
        self.optimiser = trainer.optimiser(self.model)
        self.log = Log(output.with_suffix(".log.jsonl"))
        self.checkpoint = Checkpoint(output.with_suffix(".checkpoint.safetensors"))
        self.step = 0
        self.best = -math.inf
        self.sha256 = ""
        self.losses: list[float] = []
        self.began = time.monotonic()

    def resume(self) -> None:
        """Restore the checkpoint, if there is one."""
        if not self.checkpoint.path.exists():
            return
        state = self.checkpoint.load(self.model, self.averaged, self.optimiser)
        self.step, self.best, self.sha256 = state.step, state.best, state.sha256

    def save(self) -> None:
        """Write the checkpoint and the plot."""
        self.checkpoint.save(
            self.model,
            self.averaged,
            self.optimiser,
            step=self.step,
            best=self.best,
            sha256=self.sha256,
        )
        write_plot(self.log.rows(), self.trainer.score, self.output.with_suffix(".svg"))

    def advance(self) -> None:
        """Take one optimiser step."""
        settings = self.settings
        for group in self.optimiser.param_groups:
            group["lr"] = rate_at(self.step, settings)
        self.optimiser.zero_grad(set_to_none=True)
        total = 0.0
        for item in range(settings.batch):
            index = self.step * settings.batch + item
            loss = self.trainer.loss(self.model, index, self.device) / settings.batch
            loss.backward()  # type: ignore[no-untyped-call]
            total += float(loss.detach())
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), settings.clip)
        # A step that is not finite would make the weights and both running means NaN for good.
        if math.isfinite(total) and bool(torch.isfinite(norm)):
            self.optimiser.step()
        self.losses.append(total)
        self.step += 1
        decay = min(settings.average, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for mean, value in zip(
                self.averaged.parameters(), self.model.parameters(), strict=True
            ):
                mean.lerp_(value, 1 - decay)

    def validate(self) -> None:
        """Score the averaged weights, log the score, and save them if they are the best so far."""
        with torch.no_grad():
            figures = dict(self.trainer.validate(self.averaged, self.device))
        recent = [loss for loss in self.losses if math.isfinite(loss)]
        row = {
            "step": float(self.step),
            "minutes": (time.monotonic() - self.began) / 60,
            "rate": rate_at(self.step, self.settings),
            "loss": sum(recent) / len(recent) if recent else math.nan,
            **figures,
        }
        self.losses.clear()
        self.log.append(row)
        if self.on_report is not None:
            self.on_report(row)
        if figures[self.trainer.score] > self.best:
            self.best = figures[self.trainer.score]
            self.sha256 = save_weights(
                self.averaged.state_dict(),
                self.output,
                {
                    "trainer": self.trainer.name,
                    "step": str(self.step),
                    "params": json.dumps(self._stated()),
                },
            )

    def _stated(self) -> dict[str, Any]:
        """Return the settings for the file's metadata; paths are reduced to file names."""
        settings = self.settings
        return {
            name: value.name if isinstance(value := getattr(settings, name), Path) else dumped
            for name, dumped in settings.model_dump(mode="json").items()
        }

    def outcome(self, *, finished: bool) -> TrainingResult:
        """Return the present state as a result."""
        return TrainingResult(self.step, finished, self.best, self.output, self.sha256)


def rate_at(step: int, settings: TrainingParams) -> float:
    """Return the learning rate at a step: linear warm-up, then cosine decay to 2 %."""
    rise = min(1.0, (step + 1) / (settings.warmup + 1))
    if settings.decay == "none":
        return settings.rate * rise
    done = min(step / settings.steps, 1.0)
    return settings.rate * rise * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))
