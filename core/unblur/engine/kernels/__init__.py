"""Estimation of one kernel for an image, or of a field of local kernels."""
