"""Point-spread functions of microscopes, computed from their optics."""

from unblur.numerics.optics.diffraction import Beam, focal_intensity
from unblur.numerics.optics.microscope import Microscope, microscope_kernel

__all__ = ["Beam", "Microscope", "focal_intensity", "microscope_kernel"]
