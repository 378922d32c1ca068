"""The params that describe the optics of a microscope, for stages and for `psf make`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from unblur.model.params import Params
from unblur.numerics.optics.microscope import MicroscopeType

Nanometres = Annotated[float, Field(ge=100, le=5000)]

INDICES = {"air": 1.0, "water": 1.333, "glycerol": 1.47, "oil": 1.518}
"""Refractive index of each immersion medium, dimensionless (at 20 to 23 degrees C, visible)."""


class OpticalParams(Params):
    """Optics of a microscope. What is left out is read from the metadata of the image."""

    microscope: MicroscopeType = Field("widefield", description="Type of the microscope.")
    model: Literal["vectorial", "scalar"] = Field(
        "vectorial",
        description="Diffraction with polarisation (Richards and Wolf), or without (Gibson and "
        "Lanni; Born and Wolf).",
    )
    na: float | None = Field(None, gt=0, lt=2, description="Numerical aperture of the objective.")
    emission_nm: Nanometres | tuple[Nanometres, ...] | None = Field(
        None, description="Wavelength of the emitted light, nm; a list has one for each channel."
    )
    excitation_nm: Nanometres | tuple[Nanometres, ...] | None = Field(
        None,
        description="Wavelength of the illumination, nm, of confocal and two-photon microscopes; "
        "a list has one for each channel.",
    )
    immersion: Literal["air", "water", "glycerol", "oil"] | None = Field(
        None, description="Immersion medium, of index 1, 1.333, 1.47 or 1.518."
    )
    immersion_index: float | None = Field(
        None, ge=1, lt=3, description="Refractive index of the immersion, in place of the medium."
    )
    sample_index: float | None = Field(
        None, ge=1, lt=3, description="Refractive index of the sample; default: the immersion's."
    )
    depth_um: float = Field(
        0.0, ge=0, le=1000, description="Distance of what is imaged from the coverslip, µm."
    )
    spherical: float = Field(
        0.0,
        ge=-2,
        le=2,
        description="Primary spherical aberration (Zernike), root mean square in wavelengths.",
    )
    pinhole_airy: float = Field(
        1.0, gt=0, le=20, description="Diameter of a confocal pinhole, Airy units."
    )
    sheet_um: float | None = Field(
        None,
        gt=0,
        le=1000,
        description="Thickness of a light sheet, full width at half maximum, µm.",
    )
    pixel_um: float | None = Field(
        None, gt=0, le=100, description="Pixel size in the sample along Y and X, µm."
    )
    step_um: float | None = Field(None, gt=0, le=1000, description="Distance between planes, µm.")
    towards_coverslip: bool = Field(
        False, description="Whether the planes follow one another towards the coverslip."
    )
    size: int | None = Field(
        None,
        ge=1,
        le=511,
        description="Extent of a plane, pixels; default: holds 99 % of the light, at most 129.",
    )
    planes: int | None = Field(
        None,
        ge=1,
        le=511,
        description="Number of planes; default: holds 99 % of the light, at most 65.",
    )
