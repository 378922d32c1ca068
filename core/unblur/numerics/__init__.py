"""Numerical building blocks: Fourier transforms, operators, solvers, kernels, metrics."""
