"""Everything that a plugin can register. Hooks hand over classes and files, never pixels."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from unblur.plugins.markers import hookspec

if TYPE_CHECKING:
    from unblur.model.formats import Reader, Writer
    from unblur.model.stages import Stage
    from unblur.plugins.references import StageReference, TrainerReference
    from unblur.training import Trainer

# Stages and the pipelines made of them.


@hookspec
def unblur_stages() -> Iterable[type[Stage] | StageReference]:  # type: ignore[empty-body]
    """Register stage classes, or references by which they are imported when first used."""


@hookspec
def unblur_pipelines() -> Iterable[Path]:  # type: ignore[empty-body]
    """Register pipeline files; a file's stem is its name."""


# Models that learn.


@hookspec
def unblur_trainers() -> Iterable[type[Trainer] | TrainerReference]:  # type: ignore[empty-body]
    """Register models that `unblur train` can train."""


# File formats.


@hookspec
def unblur_readers() -> Iterable[type[Reader]]:  # type: ignore[empty-body]
    """Register readers of image formats."""


@hookspec
def unblur_writers() -> Iterable[type[Writer]]:  # type: ignore[empty-body]
    """Register writers of image formats."""
