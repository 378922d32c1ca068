"""The two generator networks."""
