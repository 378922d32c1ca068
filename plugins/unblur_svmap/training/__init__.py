"""Training of the filter networks."""
