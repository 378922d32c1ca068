"""A known kernel: from a file, or from the params."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field, model_validator
from torch import Tensor

from unblur.errors import KernelError
from unblur.model import stages
from unblur.model.context import Context
from unblur.model.kernel import Kernel, KernelField

Plane = tuple[tuple[float, ...], ...]


class Given(stages.KernelEstimator):
    """The kernel given by the user; nothing is estimated.

    It assumes that the kernel was measured or computed before, e.g. by `unblur psf make` or
    by `points` on another image of the same camera. A file may hold a field of kernels with
    their positions, between which the deconvolution interpolates.

    Parameters
    ----------
    params : Params or mapping, optional
        `path` or `weights`; see `Given.Params`.

    Examples
    --------
    >>> import torch
    >>> found = Given(weights=[[1, 2, 1]]).estimate(torch.rand(1, 9, 9), Context())
    >>> found.kernel.weights
    array([[0.25, 0.5 , 0.25]], dtype=float32)
    """

    name = "given"
    summary = "The kernel from a file or from the pipeline itself."
    dimensions = frozenset({2, 3})

    class Params(stages.Params):
        """Source of the kernel: exactly one of the two."""

        path: str | None = Field(
            None,
            description="Image file of the kernel, centre at n // 2, relative to the folder in "
            "which the command runs.",
        )
        weights: Plane | tuple[Plane, ...] | None = Field(
            None, description="Rows of the kernel, or planes of rows; any positive sum."
        )

        @model_validator(mode="after")
        def _one_source(self) -> Given.Params:
            if (self.path is None) == (self.weights is None):
                raise ValueError("the kernel is read either from path or from weights; give one")
            return self

    def estimate(
        self, blurred: Tensor, context: Context, mask: Tensor | None = None
    ) -> stages.Estimate:
        """Return the given kernel, independent of the image.

        Raises
        ------
        ImageError
            If the file cannot be read.
        KernelError
            If the values are no kernel.
        """
        context.checkpoint()
        return stages.Estimate(self.known_kernel())

    def known_kernel(self) -> KernelField:
        """Return the given kernel, with the pixel size that its file states."""
        if self.params.path is not None:
            from unblur.io import read_kernel

            return read_kernel(self.params.path)
        return KernelField.single(Kernel(_array(self.params.weights)))


def _array(rows: Sequence[object]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    try:
        return np.array(rows, np.float32)
    except ValueError:
        raise KernelError(
            "the rows of a kernel must have one length; check params.weights of kernel 'given'."
        ) from None
