"""Compiled Fourier transforms of blocks that fit into the cache."""
