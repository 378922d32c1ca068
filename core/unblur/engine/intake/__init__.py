"""Decisions on a whole image before it is processed: axes, intensity, masks, noise, checks."""
