"""Postprocessing of restored images."""
