"""Scenes that several tests deblur."""

import numpy as np
import torch
from scipy.signal import fftconvolve


def isolated(shape, kernel, noise=0.0):
    """Two boxes far from the border, sharp and blurred."""
    sharp = np.zeros(shape)
    middle = [n // 2 for n in shape]
    sharp[tuple(slice(m - 3, m + 2) for m in middle)] = 0.8
    sharp[tuple(slice(m + 3, m + 5) for m in middle)] = 0.5
    blurred = fftconvolve(sharp, kernel.weights.astype(float), mode="same")
    drawn = np.random.default_rng(0).normal(size=shape)
    return torch.tensor(sharp[None]).float(), torch.tensor((blurred + noise * drawn)[None]).float()
