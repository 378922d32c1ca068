"""Blind deconvolution by two untrained networks, from coarse to fine and from a known start."""

from unblur_kotera.registration import unblur_stages

__all__ = ["unblur_stages"]
