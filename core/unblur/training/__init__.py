"""Training of models: the interface that a plugin implements, and the training loop."""

from unblur.training.loop import TrainingResult, train
from unblur.training.trainer import Trainer, TrainingParams

__all__ = ["Trainer", "TrainingParams", "TrainingResult", "train"]
