"""The PSF of a microscope, its aberration fitted to the stack itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

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
from unblur_classic.optics.line_search import Deviance, Values
from unblur_classic.optics.parameter_fit import fit_parameters
from unblur_classic.optics.searched_parameters import (
    WORDS,
    FittedName,
    describe_fit,
    searched_parameter,
)

FEWEST_PLANES = 5
"""Smallest number of planes of a stack on which optics are fitted, dimensionless."""


class FittedOptics(stages.KernelEstimator):
    """The theoretical PSF of a microscope, refined on a stack of unknown content.

    The spherical aberration and the numerical aperture of `optics`, or the depth or the refractive
    index of the sample, are changed until the PSF explains the stack best: a tenth of the voxels
    are left out, the others are deconvolved by Richardson-Lucy, and the Poisson likelihood of those
    left out is maximised. It assumes counted photons and a non-negative scene, and nothing else of
    the scene. All channels have the same values.

    A deconvolution that has not converged explains less aberration best than there is, and one that
    fits noise explains more. The number of iterations is that which predicts best, and the bias
    that is left is measured on a stack that is simulated from the scene that was found (a
    parametric bootstrap). Parameters are added one after the other and fitted together; a further
    one is used where all are determined and it differs from the value of the optics by more than
    two deviations.

    A fitted value has a standard deviation. Where it is too large (for the spherical aberration
    above 0.08 wavelengths, for depth and index above what changes it by as much, for the NA above
    3 % of it, and above half of the change), or where the likelihood has no maximum in the range
    that is searched, the stack does not determine the value, and that of the optics is kept. The
    report (`kernel.choices`) states value and deviation, whether the value is determined, and
    whether that of the optics lies within
    two deviations. Spherical aberration is often determined, a numerical aperture seldom: a scene
    of finer structure explains a larger aperture as well. A mismatch of indices adds mostly
    spherical aberration too, in proportion to depth: of spherical aberration, depth and index one
    can be determined, where the others are known. A displacement of the focus is one of the scene
    and cannot be determined; the PSF is centred on its best focus. On fewer than 5 planes nothing
    is fitted.

    Parameters
    ----------
    params : Params or mapping, optional
        See `FittedOptics.Params`, and `OpticalParams` for the optics.

    References
    ----------
    .. [1] E. F. Y. Hom et al., "AIDA: an adaptive image deconvolution algorithm with application to
       multi-frame and three-dimensional data", JOSA A 24, 2007 (deconvolution with a PSF that is
       refined on the image).
    .. [2] B. Efron, R. J. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 10.
    .. [3] J. Markham, J.-A. Conchello, "Parametric blind deconvolution: a robust method for the
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

        fit: tuple[FittedName, ...] = Field(
            ("spherical", "na"),
            description="What is fitted, the most certain first: spherical aberration, numerical "
            "aperture, depth_um where sample_index is another than the immersion's, or "
            "sample_index where depth_um is stated.",
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
        beam = resolve_optics(self.params, stated, 3)[0].microscope.beams[0]
        names = list(dict.fromkeys(self.params.fit))
        searched = [searched_parameter(name, self.params, beam) for name in names]
        prediction = HeldOutPrediction(blurred, context, mask)

        def deviance_of(prediction: HeldOutPrediction) -> Deviance:
            return lambda values: prediction.deviance(kernels(values))

        def kernels(values: Values) -> list[Kernel]:
            changed = self.params.model_copy(update=dict(zip(names, values, strict=True)))
            return self._kernels(changed, stated, prediction.shape)

        prediction = prediction.with_best_iterations(
            kernels(tuple(parameter.start for parameter in searched))
        )
        fits = fit_parameters(
            deviance_of(prediction),
            lambda values: deviance_of(prediction.simulated(kernels(values))),
            searched,
        )
        changes, choices, notes = {}, {}, []
        for one, fitted in zip(searched, fits, strict=True):
            word, unit = WORDS[one.name]
            if fitted.is_used:
                changes[one.name] = fitted.value
            elif not fitted.is_determined:
                notes.append(
                    f"the stack does not determine the {word}; that of the optics, "
                    f"{one.start:.3g}{unit}, is used."
                )
            choices[f"fitted {one.name}"] = describe_fit(fitted, one.start, unit)
        return self.params.model_copy(update=changes), choices, notes

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
