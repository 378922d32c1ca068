"""Quality of a blind result without a reference: gradient sparsity and unexplained data."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from unblur.numerics.regions import gradient_energy

EXPONENT = 0.5
"""Exponent of the gradient length in "power": below 1, so that two weak edges score worse than a
strong one, dimensionless."""


def blind_quality(
    sharp: Tensor,
    residual: Tensor,
    contrast: float | Tensor = 1.0,
    *,
    method: Literal["power", "normalized"],
    weight: float,
) -> float:
    """Return how unlike a sharp image that explains the data a result is; lower is better.

    It is the sparsity of the gradients, which blur, ringing and noise all worsen, plus `weight`
    times the root mean square residual in units of the data's contrast. The residual alone does
    not rank kernels: a kernel of one pixel explains everything.

    Parameters
    ----------
    sharp : (..., H, W)
        Restored image.
    residual : tensor
        Restored image blurred by its kernel, less the data, over the valid pixels.
    contrast : float
        Standard deviation of the data.
    method : str
        "power" is the mean of `|grad x|^0.5`, for images of one contrast; "normalized" is
        `|grad x|_1 / |grad x|_2` per pixel, which does not depend on the contrast.
    weight : float
        Weight of the unexplained part of the contrast.

    References
    ----------
    The exponent: D. Krishnan, R. Fergus, "Fast image deconvolution using hyper-Laplacian
    priors", NIPS 2009. Normalised sparsity: D. Krishnan, T. Tay, R. Fergus, "Blind deconvolution
    using a normalized sparsity measure", CVPR 2011.

    Example
    -------
    >>> import torch
    >>> step = torch.zeros(8, 8)
    >>> step[:, 4:] = 1
    >>> ramp = torch.linspace(0, 1, 8).expand(8, 8)
    >>> exact = torch.zeros(8, 8)
    >>> scores = [blind_quality(x, exact, method="normalized", weight=1.0) for x in (step, ramp)]
    >>> scores[0] < scores[1]
    True
    """
    if method == "power":
        sparsity = gradient_energy(sharp).pow(EXPONENT / 2).mean()
    else:
        sparsity = gradient_sparsity(sharp)
    return float(sparsity + weight * (residual.square().mean().sqrt() / contrast))


def gradient_sparsity(x: Tensor) -> Tensor:
    """Return `|grad x|_1 / |grad x|_2` per pixel of (..., H, W), dimensionless; NaN if constant.

    Example
    -------
    >>> import torch
    >>> float(gradient_sparsity(torch.arange(9.0).expand(3, 9)))
    1.0
    """
    length = gradient_energy(x).sqrt()
    return length.mean() / length.square().mean().sqrt()
