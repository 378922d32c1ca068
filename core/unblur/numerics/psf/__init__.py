"""The PSF doctor: what is wrong with a measured or computed PSF, and the repair of it."""

from unblur.numerics.psf.diagnostic import Finding, Level
from unblur.numerics.psf.diagnostics import examine
from unblur.numerics.psf.repair import repair

__all__ = ["Finding", "Level", "examine", "repair"]
