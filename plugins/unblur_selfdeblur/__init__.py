"""Blind deconvolution by two untrained networks that generate the image and its kernel."""

from unblur_selfdeblur.registration import unblur_stages

__all__ = ["unblur_stages"]
