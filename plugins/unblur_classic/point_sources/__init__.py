"""Measurement of a PSF from stars or beads."""
