"""Training of models: what a plugin describes, and the loop that runs it."""

from unblur.training.loop import Outcome, train
from unblur.training.trainer import Trainer, TrainingParams

__all__ = ["Outcome", "Trainer", "TrainingParams", "train"]
