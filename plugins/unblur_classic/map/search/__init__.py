"""The search for a kernel of unknown extent, and the confidence in what it finds."""
