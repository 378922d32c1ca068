"""Validation and repair of measured or computed PSFs; user interfaces call it the PSF doctor."""

from unblur.numerics.psf.diagnostic import Diagnostic, Severity
from unblur.numerics.psf.diagnostics import validate
from unblur.numerics.psf.repair import repair

__all__ = ["Diagnostic", "Severity", "repair", "validate"]
