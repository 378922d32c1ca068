"""Spatially-variant MAP deconvolution: data term and regulariser learned for every pixel."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from unblur.plugins.markers import hook

if TYPE_CHECKING:
    from unblur.model.stages import Stage
    from unblur.training import Trainer


@hook
def unblur_stages() -> Iterable[type[Stage]]:
    """Register the deconvolver."""
    from unblur_svmap.stage import Svmap

    return [Svmap]


@hook
def unblur_trainers() -> Iterable[type[Trainer]]:
    """Register the training of its weights."""
    from unblur_svmap.training.trainer import SvmapTrainer

    return [SvmapTrainer]
