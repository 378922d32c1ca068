"""Photographs: PNG and JPEG files."""
