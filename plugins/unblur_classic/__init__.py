"""Classic methods: Wiener, Richardson-Lucy, hyper-Laplacian, TV, MAP estimation, point sources."""

from unblur_classic.registration import unblur_stages

__all__ = ["unblur_stages"]
