"""Panels of the widget."""
