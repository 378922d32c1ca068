"""Blind kernel estimation by maximum a posteriori."""
