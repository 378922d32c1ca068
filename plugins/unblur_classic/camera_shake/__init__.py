"""Blind estimation of the rotation and translation of a camera."""
