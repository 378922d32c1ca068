"""FITS files."""
