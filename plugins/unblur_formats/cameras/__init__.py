"""Readers of the files that cameras and their programs write."""
