"""RegionRead of an image and a job: axes, intensity scale, masks, noise, checks."""
