"""Zarr stores and OME-Zarr."""
