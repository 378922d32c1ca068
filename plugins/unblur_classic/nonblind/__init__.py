"""Deconvolution with a known kernel."""
