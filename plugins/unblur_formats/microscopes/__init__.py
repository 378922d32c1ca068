"""Readers of the files that microscopes write."""
