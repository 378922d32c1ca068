"""The PSF doctor: what is wrong with a measured or computed PSF, and the repair of it."""

from unblur.psf.examination import examine
from unblur.psf.finding import Finding, Level
from unblur.psf.mending import repair

__all__ = ["Finding", "Level", "examine", "repair"]
