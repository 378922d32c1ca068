"""Training of models: what a plugin describes, and the loop that runs it."""

from unblur.training.loop import TrainingResult, train
from unblur.training.trainer import Trainer, TrainingParams

__all__ = ["Trainer", "TrainingParams", "TrainingResult", "train"]
