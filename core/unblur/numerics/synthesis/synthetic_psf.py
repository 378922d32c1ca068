"""Synthetic PSFs by name and params, for `psf make` and `blur --kernel`."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from unblur.errors import UsageError, unknown_name
from unblur.model.kernel import Kernel
from unblur.model.params import Params, validate_params
from unblur.numerics import synthesis
from unblur.numerics.optics.optical_metadata import StatedOptics
from unblur.numerics.optics.optical_params import OpticalParams
from unblur.numerics.optics.optics_kernels import OpticsKernels, optics_kernels

if TYPE_CHECKING:
    import torch

    from unblur.model.image import Image

Size = int | None
"""Extent along every axis in pixels, or None for the default of the kind."""


class SyntheticPsf(Params):
    """A kind of synthetic kernel with its params."""

    name: ClassVar[str]

    @abstractmethod
    def kernel(self, generator: torch.Generator) -> Kernel:
        """Return the kernel; random kinds draw from `generator`."""


class GaussianPsf(SyntheticPsf):
    """A Gaussian, isotropic or not."""

    name = "gaussian"
    sigma: float | tuple[float, float] | tuple[float, float, float] = Field(
        2.0, description="Standard deviation in pixels; [rows, columns] or [depth, rows, columns]."
    )
    size: Size = Field(
        None,
        ge=1,
        le=999,
        description="Extent in pixels; default: 4 standard deviations to each side.",
    )
    angle: float = Field(
        0.0, description="Rotation of an anisotropic Gaussian, counter-clockwise, degrees."
    )

    def kernel(self, generator: torch.Generator) -> Kernel:
        """Return the kernel."""
        return synthesis.gaussian_kernel(self.sigma, self.size, angle=self.angle)


class MotionPsf(SyntheticPsf):
    """A straight motion at constant speed."""

    name = "motion"
    length: float = Field(15.0, ge=0, le=999, description="Distance travelled, pixels.")
    angle: float = Field(0.0, description="Direction, degrees, counter-clockwise from the x axis.")
    size: Size = Field(
        None, ge=1, le=999, description="Extent in pixels; default: the smallest that fits."
    )

    def kernel(self, generator: torch.Generator) -> Kernel:
        """Return the kernel."""
        return synthesis.motion_kernel(self.length, self.angle, self.size)


class DiskPsf(SyntheticPsf):
    """Defocus."""

    name = "disk"
    radius: float = Field(4.0, gt=0, le=499, description="Radius of the disk, pixels.")
    size: Size = Field(
        None, ge=1, le=999, description="Extent in pixels; default: the smallest that fits."
    )

    def kernel(self, generator: torch.Generator) -> Kernel:
        """Return the kernel."""
        return synthesis.disk_kernel(self.radius, self.size)


class AiryPsf(SyntheticPsf):
    """Diffraction in focus, the Airy pattern."""

    name = "airy"
    radius: float = Field(4.0, gt=0, le=299, description="Radius of the first dark ring, pixels.")
    size: Size = Field(
        None, ge=1, le=999, description="Extent in pixels; default: three dark rings."
    )

    def kernel(self, generator: torch.Generator) -> Kernel:
        """Return the kernel."""
        return synthesis.airy_kernel(self.radius, self.size)


class WidefieldPsf(SyntheticPsf):
    """A widefield microscope in 3-D, without aberrations."""

    name = "widefield"
    wavelength: float = Field(
        0.52, gt=0, description="Wavelength of the emitted light, micrometres."
    )
    aperture: float = Field(1.0, gt=0, lt=2, description="Numerical aperture.")
    index: float = Field(1.33, ge=1, lt=3, description="Refractive index of the immersion.")
    pixel: float = Field(0.1, gt=0, description="Pixel size in the object, micrometres.")
    step: float = Field(0.3, gt=0, description="Distance between planes, micrometres.")
    size: int = Field(31, ge=1, le=511, description="Extent of a plane, pixels.")
    depth: int = Field(15, ge=1, le=255, description="Number of planes.")

    def kernel(self, generator: torch.Generator) -> Kernel:
        """Return the kernel, with its pixel size."""
        steps = (self.step, self.pixel, self.pixel)
        kernel = synthesis.widefield_kernel(
            self.wavelength,
            self.aperture,
            steps,
            (self.depth, self.size, self.size),
            index=self.index,
        )
        sizes = dict(zip("ZYX", steps, strict=True))
        return replace(kernel, pixel_size=sizes, units=dict.fromkeys("ZYX", "µm"))


class OpticsPsf(SyntheticPsf, OpticalParams):
    """A microscope, from its optics: widefield, confocal, light sheet or two-photon."""

    name = "optics"

    def kernel(self, generator: torch.Generator) -> Kernel:
        """Return the kernel, with its pixel size: 3-D where a distance between planes is stated."""
        return optics_kernels(self, StatedOptics(), option="{name}={value}").field.mean


class PathPsf(SyntheticPsf):
    """A smooth random motion, drawn from a Gaussian process."""

    name = "path"
    size: int = Field(25, ge=3, le=499, description="Extent in pixels.")

    def kernel(self, generator: torch.Generator) -> Kernel:
        """Return the kernel."""
        return synthesis.gaussian_process_kernel(self.size, generator)


class ShakePsf(SyntheticPsf):
    """A hand-held camera: a random walk with inertia and impulses."""

    name = "shake"
    size: int = Field(25, ge=3, le=499, description="Extent in pixels.")
    unsteadiness: float | None = Field(
        None, ge=0, le=1, description="Irregularity, 0 straight to 1 irregular."
    )

    def kernel(self, generator: torch.Generator) -> Kernel:
        """Return the kernel."""
        return synthesis.shake_kernel(self.size, generator, unsteadiness=self.unsteadiness)


SYNTHETIC_PSFS: dict[str, type[SyntheticPsf]] = {
    cls.name: cls
    for cls in (
        GaussianPsf,
        MotionPsf,
        DiskPsf,
        AiryPsf,
        WidefieldPsf,
        OpticsPsf,
        PathPsf,
        ShakePsf,
    )
}
"""Kinds of synthetic kernels by name."""


def make_synthetic_psf(name: str, pairs: Sequence[str], seed: int) -> Kernel:
    """Return a synthetic kernel.

    Parameters
    ----------
    name : str
        A key of `SYNTHETIC_PSFS`.
    pairs : sequence of str
        Params such as "radius=3".
    seed : int
        Seed of a random kernel.

    Raises
    ------
    UsageError
        For an unknown kind or param, or a value out of bounds.
    KernelError
        If the params do not define a kernel.
    """
    if name not in SYNTHETIC_PSFS:
        raise UsageError(unknown_name("kernel", name, SYNTHETIC_PSFS))
    import torch

    made: SyntheticPsf = validate_params(SYNTHETIC_PSFS[name], _values(pairs), f"kernel '{name}'")
    return made.kernel(torch.Generator().manual_seed(seed))


def make_optics_psf(pairs: Sequence[str], image: Image | None = None) -> OpticsKernels:
    """Return the PSF of a microscope, one for each channel where they differ, and its values.

    Parameters
    ----------
    pairs : sequence of str
        Params such as "na=1.4".
    image : Image, optional
        An image whose metadata states what the params do not.

    Raises
    ------
    UsageError
        For an unknown param or a value out of bounds, and for values that are missing.
    """
    made: OpticsPsf = validate_params(OpticsPsf, _values(pairs), "kernel 'optics'")
    stated = StatedOptics() if image is None else StatedOptics.of(image)
    shape = None if image is None else tuple(image.extent(axis) for axis in "ZYX")
    return optics_kernels(made, stated, max_shape=shape, option="{name}={value}")


def parse_synthetic_psf(text: str, seed: int) -> Kernel:
    """Return the kernel that a specification such as "disk:radius=3,size=15" describes.

    See `make_synthetic_psf` for the kinds, their params, and the errors raised.
    """
    name, _, rest = text.partition(":")
    outside_brackets = r",(?![^\[]*\])"
    return make_synthetic_psf(name, re.split(outside_brackets, rest) if rest else [], seed)


def _values(pairs: Sequence[str]) -> dict[str, Any]:
    import yaml

    values = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not (key and equals):
            raise UsageError(
                f"a kernel's params are written NAME=VALUE, e.g. size=25, got '{pair}'."
            )
        try:
            values[key.strip()] = yaml.safe_load(text)
        except yaml.YAMLError:
            raise UsageError(f"'{text}' in '{pair}' is not a plain YAML value.") from None
    return values
