"""The interface that a plugin implements so that the core can train its model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from unblur.model.params import Params, validate_params


class TrainingParams(Params):
    """Settings common to all trainings; a trainer adds its own by subclassing."""

    steps: int = Field(default=1000, ge=1, description="Total number of optimiser steps.")
    batch: int = Field(default=2, ge=1, description="Samples per step.")
    rate: float = Field(default=4e-4, gt=0, description="Peak learning rate.")
    warmup: int = Field(default=50, ge=0, description="Steps over which the rate rises from 0.")
    decay: Literal["cosine", "none"] = Field(
        default="cosine", description="Decay of the rate after its peak: to 2 % of it, or none."
    )
    clip: float = Field(
        default=1.0,
        gt=0,
        description="Largest norm of the gradient over all weights; larger ones are scaled down.",
    )
    average: float = Field(
        default=0.995, ge=0, lt=1, description="Decay per step of the running mean of the weights."
    )
    validate_every: int = Field(default=100, ge=1, description="Steps between validations.")
    checkpoint_minutes: float = Field(default=3, ge=0, description="Minutes between checkpoints.")
    seed: int = Field(default=0, ge=0, description="Seed of weights and samples.")


class Trainer(ABC):
    """A trainable model: its network, samples, loss and validation.

    Sample number `index` depends on the seed and the index alone, so that a training that was
    interrupted gives the same result as one that was not.

    Attributes
    ----------
    name : str
        Name for `unblur train`.
    summary : str
        One-line description for `unblur list`.
    score : str
        Key of `validate` by which the best weights are selected; larger is better.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    score: ClassVar[str] = "psnr"
    Params: ClassVar[type[TrainingParams]] = TrainingParams

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if "Params" in vars(cls):
            cls.Params.stage_name = f"train {getattr(cls, 'name', '')}"

    def __init__(self, params: Any = None, **values: Any) -> None:
        given = params if isinstance(params, self.Params) else {**(params or {}), **values}
        self.params: Any = validate_params(self.Params, given, f"trainer '{self.name}'")

    @abstractmethod
    def model(self) -> nn.Module:
        """Return the untrained network, or one with initial weights."""

    @abstractmethod
    def prepare(self, data: Path) -> None:
        """Read the training data from the folder `data`.

        Raises
        ------
        ImageError
            If the folder holds too few images.
        """

    @abstractmethod
    def loss(self, model: nn.Module, index: int, device: torch.device) -> Tensor:
        """Return the loss of sample number `index`, a scalar to be minimised."""

    @abstractmethod
    def validate(self, model: nn.Module, device: torch.device) -> Mapping[str, float]:
        """Return scores on a fixed validation set that is not used in training."""

    def optimiser(self, model: nn.Module) -> torch.optim.Optimizer:
        """Return the optimiser, Adam unless overridden; the loop sets its rate.

        Checkpoints hold the state of Adam, SGD and Adadelta only.
        """
        return torch.optim.Adam(model.parameters(), lr=self.params.rate)

    def generator(self, index: int) -> torch.Generator:
        """Return the random generator of sample number `index`, on the CPU."""
        mixed = (self.params.seed * 0x9E3779B1 + index * 0x85EBCA77 + 1) % (1 << 62)
        return torch.Generator().manual_seed(mixed)
