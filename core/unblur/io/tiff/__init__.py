"""TIFF, OME-TIFF and ImageJ files."""
