"""The discriminative prior: a classifier of blurred and sharp images, used inside MAP."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from unblur.plugins.markers import hook

if TYPE_CHECKING:
    from unblur.model.stages import Stage
    from unblur.training import Trainer


@hook
def unblur_stages() -> Iterable[type[Stage]]:
    """Register the prior."""
    from unblur_discriminative.prior import Discriminative

    return [Discriminative]


@hook
def unblur_trainers() -> Iterable[type[Trainer]]:
    """Register the training of its classifier."""
    from unblur_discriminative.training import DiscriminativeTrainer

    return [DiscriminativeTrainer]
