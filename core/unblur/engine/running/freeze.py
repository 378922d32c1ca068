"""Decisions taken once and kept for many images: the kernel, and what stages settle."""

from __future__ import annotations

from dataclasses import dataclass, replace

from unblur.engine.job import DeblurJob
from unblur.engine.kernels.finding import find_kernels
from unblur.engine.record.runlog import Outcome
from unblur.engine.tiles.tiled import calibrate_on_region
from unblur.model.kernel import KernelField
from unblur.model.stages import Stage


@dataclass(frozen=True, eq=False)
class Frozen:
    """What one image decided, to be applied to others taken alike.

    Attributes
    ----------
    field : KernelField, optional
        The kernel: given, or estimated on that image.
    stages : tuple of Stage
        The steps, calibrated on the image: numbers of iterations, backgrounds, noise maps.
    source : str
        The image that decided.
    """

    field: KernelField | None
    stages: tuple[Stage, ...]
    source: str

    def applied(self, request: DeblurJob) -> DeblurJob:
        """Return a request for another image with these decisions in it."""
        origin = request.origin if request.field is not None else f"frozen on {self.source}"
        return replace(request, field=self.field, stages=self.stages, origin=origin)


def freeze(request: DeblurJob) -> Frozen:
    """Return the kernel and the calibrated steps of the pipeline for the request's image.

    A kernel is decided if the pipeline deconvolves; one that finds kernel and image together
    goes on finding both on each image.

    Example
    -------
    >>> import numpy as np
    >>> from unblur.model.context import Context
    >>> from unblur.engine.job import as_image, as_pipeline
    >>> image, _ = as_image(np.random.default_rng(0).random((32, 32)), None)
    >>> chain = as_pipeline("richardson-lucy", {"deconvolve.stop": "discrepancy"})
    >>> frozen = freeze(DeblurJob.of(image, chain, np.ones((3, 3)), Context()))
    >>> frozen.stages[0].params.stop
    'fixed'
    """
    outcome = Outcome(request)
    recipe = replace(request.recipe(), field=find_kernels(request, outcome))
    return Frozen(recipe.field, calibrate_on_region(request, recipe).stages, request.image.source)
