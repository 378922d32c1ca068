"""The PSF of a microscope, its aberration fitted to the stack itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, Self

from pydantic import Field
from torch import Tensor

from unblur.model import stages
from unblur.model.context import Context
from unblur.model.image import Image
from unblur.model.kernel import Kernel
from unblur.numerics.optics.microscope import LARGEST, MOST_PLANES, microscope_kernel
from unblur.numerics.optics.optical_metadata import StatedOptics, resolve_optics
from unblur.numerics.optics.optical_params import OpticalParams
from unblur.numerics.optics.optics_kernels import optics_kernels
from unblur.numerics.regions import gradient_energy
from unblur_classic.optics.held_out_prediction import HeldOutPrediction
from unblur_classic.optics.parameter_fit import FittedParameter, fit_parameter

FEWEST_PLANES = 5
"""Smallest number of planes of a stack on which optics are fitted, dimensionless."""

SPHERICAL_STEP, SPHERICAL_LIMIT, SPHERICAL_RANGE = 0.1, 0.08, 0.6
"""Step of the search for the spherical aberration, largest standard deviation of one that counts
as determined, and largest change from the initial value: root mean square in wavelengths."""

NA_STEP, NA_LIMIT, NA_RANGE = 0.05, 0.03, 0.25
"""The same of the numerical aperture, as fractions of the initial value, dimensionless."""

MAX_DEVIATIONS = 2.0
"""Largest distance of the value of the optics from a fitted one that agrees with it, in standard
deviations."""

LARGEST_NA = 0.99
"""Largest numerical aperture, as a fraction of the refractive index of the immersion."""


class FittedOptics(stages.KernelEstimator):
    """The theoretical PSF of a microscope, refined on a stack of unknown content.

    The spherical aberration and the numerical aperture of `optics` are changed until the PSF
    explains the stack best: a tenth of the voxels are left out, the others are deconvolved by
    Richardson-Lucy, and the Poisson likelihood of those left out is maximised. It assumes counted
    photons and a non-negative scene, and nothing else of the scene. All channels have the same
    values.

    A fitted value has a standard deviation. Where it is too large (for the spherical aberration
    above 0.08 wavelengths and above the change, for the NA above 3 % of it), or where the
    likelihood has no maximum in the range that is searched, the stack does not determine the
    value, and that of the optics is kept. The report (`kernel.choices`) states value and deviation,
    whether the value is determined, and whether that of the optics lies within two deviations.
    Spherical aberration is often determined, a numerical aperture seldom: a scene of finer
    structure explains a larger aperture as well. A displacement along the axis is that of the
    scene and cannot be determined; the PSF is centred on its best focus. On fewer than 5 planes
    nothing is fitted.

    Parameters
    ----------
    params : Params or mapping, optional
        See `FittedOptics.Params`, and `OpticalParams` for the optics.

    References
    ----------
    .. [1] E. F. Y. Hom et al., "AIDA: an adaptive image deconvolution algorithm with application to
       multi-frame and three-dimensional data", JOSA A 24, 2007 (deconvolution with a PSF that is
       refined on the image).
    .. [2] J. Markham, J.-A. Conchello, "Parametric blind deconvolution: a robust method for the
       simultaneous estimation of image and blur", JOSA A 16, 1999.

    Examples
    --------
    >>> import torch
    >>> optics = FittedOptics(
    ...     na=0.8, emission_nm=520, immersion="air", pixel_um=0.16, step_um=1.0, size=9
    ... )
    >>> estimate = optics.estimate(torch.rand(1, 3, 24, 24), Context())
    >>> estimate.notes
    ('a stack of 3 planes does not determine its optics; those stated are used.',)
    """

    name = "fitted-optics"
    summary = "The theoretical PSF of a microscope, its spherical aberration fitted to the stack."
    cites = "Markham and Conchello 1999; Gibson and Lanni 1992; Richards and Wolf 1959"
    dimensions = frozenset({2, 3})
    stated: StatedOptics | None = None

    class Params(OpticalParams):
        """Optics of the microscope, from which the fit starts, and what is fitted."""

        fit: tuple[Literal["spherical", "na"], ...] = Field(
            ("spherical", "na"),
            description="What is fitted: the spherical aberration, the numerical aperture.",
        )

    def prepare_for_image(self, image: Image, ndim: int) -> Self:
        """Return a copy that holds what the image's metadata states.

        Raises
        ------
        UsageError
            With every value that neither metadata nor params state, and where it may be stated.
        """
        copy = type(self)(self.params)
        copy.stated = StatedOptics.of(image)
        resolve_optics(copy.params, copy.stated, ndim)
        return copy

    def estimate(
        self, blurred: Tensor, context: Context, mask: Tensor | None = None
    ) -> stages.Estimate:
        """Return the kernels of the fitted optics.

        Raises
        ------
        UsageError
            If a value of the optics is missing.
        """
        context.checkpoint()
        stated = self.stated or StatedOptics(colours=blurred.shape[0])
        shape = tuple(blurred.shape[1:])
        if len(shape) < 3 or shape[0] < FEWEST_PLANES:
            made = optics_kernels(self.params, stated, len(shape), max_shape=shape)
            planes = "a plane" if len(shape) < 3 else f"a stack of {shape[0]} planes"
            note = f"{planes} does not determine its optics; those stated are used."
            return stages.Estimate(made.field, notes=(*made.notes, note), choices=made.sources)
        params, choices, notes = self._fit(blurred, stated, context, mask)
        made = optics_kernels(params, stated, 3, max_shape=shape)
        sources = {k: v for k, v in made.sources.items() if not k.startswith("spherical")}
        return stages.Estimate(
            made.field, notes=(*made.notes, *notes), choices={**choices, **sources}
        )

    def estimate_from_windows(
        self, windows: Sequence[stages.ImageWindow], extent: Sequence[int], context: Context
    ) -> stages.Estimate:
        """Return the kernels fitted to the window with the most texture."""
        best: tuple[float, Tensor, Tensor | None] | None = None
        for window in windows:
            context.checkpoint()
            values, mask = window.read()
            flat = values.amax(1) if values.ndim > 3 else values
            energy = float(gradient_energy(flat).sum())
            if best is None or energy > best[0]:
                best = energy, values, mask
        assert best is not None
        return self.estimate(best[1], context, best[2])

    def _fit(
        self, blurred: Tensor, stated: StatedOptics, context: Context, mask: Tensor | None
    ) -> tuple[Any, dict[str, str], list[str]]:
        """Return params with the fitted values, each value in words, and notes."""
        optics = resolve_optics(self.params, stated, 3)
        beam = optics[0].microscope.beams[0]
        prediction = HeldOutPrediction(blurred, context, mask)
        spherical = self.params.spherical
        searched = {
            "spherical": (spherical, SPHERICAL_STEP, SPHERICAL_LIMIT, SPHERICAL_RANGE, None),
            "na": (beam.na, NA_STEP * beam.na, NA_LIMIT * beam.na, NA_RANGE * beam.na,
                   LARGEST_NA * beam.immersion_index),
        }  # fmt: skip
        params, choices, notes = self.params, {}, []
        for name in dict.fromkeys(self.params.fit):
            start, step, limit, reach, largest = searched[name]
            bounds = start - reach, min(start + reach, largest or start + reach)

            def deviance(value: float, params: Any = params, name: str = name) -> Tensor:
                changed = params.model_copy(update={name: value})
                return prediction.deviance(self._kernels(changed, stated, prediction.shape))

            fitted = fit_parameter(deviance, start, step, bounds, limit)
            if name == "spherical":  # found too small rather than too large; see docs/psf.md
                fitted = replace(fitted, limit=max(limit, abs(fitted.value - start)))
            if fitted.is_determined:
                params = params.model_copy(update={name: fitted.value})
            else:
                notes.append(
                    f"the stack does not determine the {WORDS[name][0]}; that of the optics, "
                    f"{start:.3g}{WORDS[name][1]}, is used."
                )
            choices[f"fitted {name}"] = describe_fit(fitted, start, WORDS[name][1])
        return params, choices, notes

    def _kernels(self, params: Any, stated: StatedOptics, shape: tuple[int, ...]) -> list[Kernel]:
        """Return a kernel for each channel, or one, of an extent that no fitted value changes.

        They reach from one end of the region to the other, as far as light out of focus does.
        """
        planes = min(2 * shape[0] - 1, MOST_PLANES)
        edge = min(shape[-2:])
        size = params.size or min(edge - 1 + edge % 2, LARGEST)
        return [
            microscope_kernel(
                one.microscope,
                one.pixel,
                one.step,
                size=size,
                planes=planes,
                towards_coverslip=params.towards_coverslip,
            )
            for one in resolve_optics(params, stated, 3)
        ]


WORDS = {
    "spherical": ("spherical aberration", " wavelengths"),
    "na": ("numerical aperture", ""),
}
"""What each fitted value is called, and its unit."""


def describe_fit(fitted: FittedParameter, start: float, unit: str) -> str:
    """Return a fitted value, its deviation, whether it is determined and differs from the optics'.

    A value may be determined well and yet be that of the optics.

    Example
    -------
    >>> describe_fit(FittedParameter(0.0831, 0.02, 0.05), 0.0, " wavelengths")
    '0.083 ± 0.020 wavelengths, determined: yes; that of the optics, 0, is 4.2 deviations away'
    >>> describe_fit(FittedParameter(0.049, 0.036, 0.08), 0.0, " wavelengths")
    '0.049 ± 0.036 wavelengths, determined: yes; that of the optics, 0, lies within 2 deviations'
    """
    spread = fitted.standard_deviation
    answer = "yes" if fitted.is_determined else "no, that of the optics is used"
    if spread == float("inf"):
        return f"{fitted.value:.3f}{unit}, deviation unknown, determined: {answer} ({start:.3g})"
    distance = abs(fitted.value - start) / max(spread, 1e-12)
    place = (
        f"lies within {MAX_DEVIATIONS:g} deviations"
        if distance <= MAX_DEVIATIONS
        else f"is {distance:.1f} deviations away"
    )
    return (
        f"{fitted.value:.3f} ± {spread:.3f}{unit}, determined: {answer}; that of the optics, "
        f"{start:.3g}, {place}"
    )
