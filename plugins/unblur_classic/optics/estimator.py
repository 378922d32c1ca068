"""The PSF of a microscope, computed from its optics."""

from __future__ import annotations

from torch import Tensor

from unblur.model import stages
from unblur.model.context import Context
from unblur.model.image import Image
from unblur.numerics.optics.optical_metadata import StatedOptics
from unblur.numerics.optics.optical_params import OpticalParams
from unblur.numerics.optics.optics_kernels import optics_kernels


class Optics(stages.KernelEstimator):
    """The theoretical PSF of a microscope; no pixel of the image is used.

    Numerical aperture, wavelengths, immersion, pixel size and distance between planes are read
    from the metadata of the image where it states them; params have precedence. What is missing is
    named in the error. Where the channels differ in wavelength, each has a PSF of its own.

    It assumes an aplanatic objective at its design conditions, a sample of one refractive index,
    and emission without a preferred direction. A sample of another index than the immersion, at
    the depth `depth_um`, adds spherical aberration. Other aberrations of the microscope are not
    part of a theoretical PSF; that of a measured bead has them.

    Parameters
    ----------
    params : Params or mapping, optional
        See `OpticalParams`.

    References
    ----------
    .. [1] S. F. Gibson, F. Lanni, "Experimental test of an analytical model of aberration in an
       oil-immersion objective lens used in three-dimensional light microscopy", JOSA A 9, 1992.
    .. [2] B. Richards, E. Wolf, "Electromagnetic diffraction in optical systems II", Proc. R. Soc.
       A 253, 1959.

    Examples
    --------
    >>> import torch
    >>> optics = Optics(na=0.8, emission_nm=520, immersion="air", pixel_um=0.16, size=9)
    >>> optics.estimate(torch.rand(1, 32, 32), Context()).kernel.shape
    (9, 9)
    """

    name = "optics"
    summary = "The theoretical PSF of a microscope, from NA, wavelength and the image's metadata."
    cites = "Gibson and Lanni 1992; Richards and Wolf 1959"
    dimensions = frozenset({2, 3})

    class Params(OpticalParams):
        """Optics of the microscope."""

    def estimate(
        self, blurred: Tensor, context: Context, mask: Tensor | None = None
    ) -> stages.Estimate:
        """Return the kernel that the params determine; there is no metadata.

        Raises
        ------
        UsageError
            If a value is missing.
        """
        context.checkpoint()
        stated = StatedOptics(colours=blurred.shape[0])
        return self._estimate(stated, tuple(blurred.shape[1:]))

    def kernel_from_metadata(self, image: Image, ndim: int) -> stages.Estimate:
        """Return the kernel that params and metadata determine.

        Raises
        ------
        UsageError
            With every value that neither states, and where it may be stated.
        """
        shape = tuple(image.extent(axis) for axis in "ZYX"[-ndim:])
        return self._estimate(StatedOptics.of(image), shape)

    def _estimate(self, stated: StatedOptics, shape: tuple[int, ...]) -> stages.Estimate:
        made = optics_kernels(self.params, stated, len(shape), max_shape=shape)
        return stages.Estimate(made.field, notes=made.notes, choices=made.sources)
