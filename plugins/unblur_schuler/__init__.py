"""Blind kernel estimation by a trained network: Learning to Deblur."""

from unblur_schuler.registration import unblur_stages, unblur_trainers

__all__ = ["unblur_stages", "unblur_trainers"]
