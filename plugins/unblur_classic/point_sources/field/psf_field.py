"""The kernels of a fitted PSF on a grid over the image, with their wings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unblur.model.kernel import Kernel, KernelField
from unblur.numerics.kernel_ops import crop_around
from unblur.numerics.psf.properties import PsfProperties
from unblur_classic.point_sources.field.field_model import grid_positions, polynomials
from unblur_classic.point_sources.stacking import PsfStacker
from unblur_classic.point_sources.wings import Wings

Array = NDArray[np.float64]
Resize = Callable[[Array], Array]


@dataclass(frozen=True, eq=False)
class FieldBuilder:
    """A fitted PSF that is evaluated on a grid of positions.

    Attributes
    ----------
    stack : PsfStacker
        The fitted components.
    extent : (int, int)
        Rows and columns of the image, in pixels.
    degree : int
        Degree of the polynomial of the components.
    mean : (*k)
        PSF averaged over the points, sum 1.
    wings : Wings, optional
        Continuation of the mean PSF.
    """

    stack: PsfStacker
    extent: Sequence[int]
    degree: int
    mean: Array
    wings: Wings | None

    @classmethod
    def of(
        cls, stack: PsfStacker, positions: Array, extent: Sequence[int], degree: int
    ) -> FieldBuilder:
        """Return the builder of points at positions (N, 2) in an image of `extent` pixels."""
        mean = stack.psf_at(stack.basis[stack.inliers].mean(axis=0))
        return cls(stack, extent, degree, mean, Wings.fit(mean, stack.error))

    @property
    def name(self) -> str:
        """The model in words."""
        return f"polynomial PSF of degree {self.degree}" if self.degree else "constant PSF"

    @property
    def error(self) -> float:
        """Largest standard deviation of a sample of the mean PSF, as a fraction of its peak."""
        error = self.stack.error
        return float(error.max() / self.mean.max()) if np.isfinite(error).all() else float("nan")

    def field(self, resize: Resize) -> KernelField:
        """Return the kernels, each in the size that `resize` gives it."""
        cleaned, half_width = self._clean_mean()
        extents = resize(cleaned).shape[-2:]
        rows, columns = (
            grid_positions(n, self.degree, k) for n, k in zip(self.extent, extents, strict=True)
        )
        if self.degree == 0:
            kernel = Kernel(resize(cleaned))
            return KernelField.single(kernel)
        change = cleaned - self._widened(self.mean, half_width)  # of noise, offset and wings
        kernels = []
        for row in rows:
            at = polynomials(np.array([(row, c) for c in columns]), self.extent, self.degree)
            psfs = [self._local(c, half_width, change) for c in at]
            kernels.append(tuple(Kernel(_normalized(resize(psf))) for psf in psfs))
        return KernelField(tuple(kernels), rows, columns)

    def _local(self, coefficients: Array, half_width: Sequence[int], change: Array) -> Array:
        """Return the PSF at a position with its own wings, or else with those of the mean.

        The exponent of the wings is that of the mean.
        """
        psf = self.stack.psf_at(coefficients)
        if self.wings is not None:
            error = self.stack.error * self._error_ratio(coefficients)
            own = Wings.fit(psf, error, self.wings.beta)
            if own is not None:
                return own.extend(psf, error, half_width)
        return np.asarray(self._widened(psf, half_width) + change)

    def _error_ratio(self, coefficients: Array) -> float:
        """Return the standard deviation of the polynomial at a position over that of the mean."""
        basis = self.stack.basis[self.stack.inliers]
        spread = np.linalg.pinv(basis.T @ basis / len(basis))
        return float(np.sqrt(max(coefficients @ spread @ coefficients, 1.0)))

    def _clean_mean(self) -> tuple[Array, tuple[int, ...]]:
        """Return the mean PSF with wings, or without noise and background, and its half-width."""
        if self.wings is not None:
            made = self.wings.extend(self.mean, self.stack.error)
            return made, tuple(n // 2 for n in made.shape)
        properties = PsfProperties(self.mean)
        half_width = properties.half_width
        centre = properties.centroid.round().astype(int).tolist()
        made = crop_around(properties.cleaned, centre, half_width)
        return np.asarray(made / made.sum()), half_width

    def _widened(self, psf: Array, half_width: Sequence[int]) -> Array:
        return np.asarray(crop_around(psf, [n // 2 for n in psf.shape], half_width))


def _normalized(psf: Array) -> Array:
    psf = np.clip(psf, 0, None)
    return np.asarray(psf / psf.sum())
