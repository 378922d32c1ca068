"""Checkpoints of a training, one safetensors file each, and its log."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from unblur.errors import WeightsError
from unblur.plugins.weights import load_metadata, load_weights, save_weights

MOMENTS = {
    "first": "exp_avg",
    "second": "exp_avg_sq",
    "momentum": "momentum_buffer",
    "square": "square_avg",
    "change": "acc_delta",
}
"""State of Adam, SGD and Adadelta per parameter: name in the checkpoint, name in torch."""


@dataclass(frozen=True)
class State:
    """Steps done in a training, its best score, and the hash of the weights with that score."""

    step: int
    best: float
    sha256: str


@dataclass(frozen=True)
class Checkpoint:
    """A file with the weights, their running mean and the state of the optimiser."""

    path: Path

    def save(
        self,
        model: nn.Module,
        averaged: nn.Module,
        optimiser: torch.optim.Optimizer,
        *,
        step: int,
        best: float,
        sha256: str,
    ) -> None:
        """Write the checkpoint atomically."""
        tensors: dict[str, Tensor] = {}
        for name, parameter in model.named_parameters():
            tensors[f"model.{name}"] = parameter
            state = optimiser.state[parameter]
            for moment, key in MOMENTS.items():
                if state.get(key) is not None:
                    tensors[f"{moment}.{name}"] = state[key]
            if "step" in state:
                tensors[f"count.{name}"] = torch.as_tensor(state["step"])
        tensors |= {f"averaged.{name}": value for name, value in averaged.named_parameters()}
        save_weights(
            tensors,
            self.path,
            {"step": str(step), "best": repr(best), "sha256": sha256},
        )

    def load(
        self, model: nn.Module, averaged: nn.Module, optimiser: torch.optim.Optimizer
    ) -> State:
        """Restore the model, the mean and the optimiser, and return the training's state.

        Raises
        ------
        WeightsError
            If the checkpoint is of another network.
        """
        tensors = load_weights(self.path)
        expected = {f"model.{name}": p.shape for name, p in model.named_parameters()}
        found = {k: v.shape for k, v in tensors.items() if k.startswith("model.")}
        if expected != found:
            raise WeightsError(
                f"the checkpoint '{self.path}' belongs to another network; train into another "
                "file, or delete it to start again."
            )
        with torch.no_grad():
            for name, mean in averaged.named_parameters():
                mean.copy_(tensors[f"averaged.{name}"])
            for name, parameter in model.named_parameters():
                parameter.copy_(tensors[f"model.{name}"])
                state = optimiser.state[parameter]
                for moment, key in MOMENTS.items():
                    if (saved := tensors.get(f"{moment}.{name}")) is not None:
                        state[key] = torch.empty_like(parameter).copy_(saved)
                if (count := tensors.get(f"count.{name}")) is not None:
                    state["step"] = count.reshape(())
        header = load_metadata(self.path)
        return State(int(header["step"]), float(header["best"]), header["sha256"])


@dataclass(frozen=True)
class Log:
    """The log of a training, one line of JSON per validation."""

    path: Path

    def append(self, row: Mapping[str, float]) -> None:
        """Append a line; values that are not finite become null."""
        clean = {k: (v if math.isfinite(v) else None) for k, v in row.items()}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(clean) + "\n")

    def rows(self) -> list[dict[str, float | None]]:
        """Return all lines written so far."""
        if not self.path.exists():
            return []
        return [json.loads(line) for line in self.path.read_text(encoding="utf-8").splitlines()]
