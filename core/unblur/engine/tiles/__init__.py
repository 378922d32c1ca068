"""Division of an image into tiles, and their processing within a memory limit."""
