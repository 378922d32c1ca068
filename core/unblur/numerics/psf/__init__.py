"""The PSF doctor: what is wrong with a measured or computed PSF, and the repair of it."""

from unblur.numerics.psf.diagnostic import Diagnostic, Severity
from unblur.numerics.psf.diagnostics import validate
from unblur.numerics.psf.repair import repair

__all__ = ["Diagnostic", "Severity", "repair", "validate"]
