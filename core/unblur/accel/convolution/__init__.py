"""Convolutional layers for the networks of plugins, fast on a CPU."""

from unblur.accel.convolution.layer import Convolution

__all__ = ["Convolution"]
