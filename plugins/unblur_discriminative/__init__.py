"""The discriminative prior: a classifier of blurred and sharp images, used inside MAP."""

from unblur_discriminative.registration import unblur_stages, unblur_trainers

__all__ = ["unblur_stages", "unblur_trainers"]
