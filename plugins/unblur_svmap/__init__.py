"""Spatially-variant MAP deconvolution: data term and regulariser learned for every pixel."""

from unblur_svmap.registration import unblur_stages, unblur_trainers

__all__ = ["unblur_stages", "unblur_trainers"]
