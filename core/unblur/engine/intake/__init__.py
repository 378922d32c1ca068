"""Reading of an image and a request: axes, intensity scale, masks, noise, checks."""
