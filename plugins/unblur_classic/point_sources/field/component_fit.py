"""Fit of the components of a PSF that varies over the field to registered point sources."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unblur.numerics.statistics import mad_std

Array = NDArray[np.float64]

CLIP = 3.0
"""Largest residual of a sample that is fitted, in robust standard deviations."""

REFITS = 2
"""Number of fits without the samples of large residuals, dimensionless."""

PENALTY, GROWTH = 0.03, 8.0
"""Penalty of the squares of components of degree 1, in numbers of points that show none, and
quotient of the penalties of successive degrees, dimensionless. Without it the PSF at a corner,
where all polynomials are large, is noisy if there are few points."""

RIDGE = 1e-9
"""Ridge of the normal equations of the components, as a fraction of their trace, dimensionless."""


def fit_inlying_samples(
    values: Array, weights: Array, basis: Array, present: Array | None = None
) -> tuple[Array, Array]:
    """Return smooth components (K, *k) fitted without outlying samples, and the weights (N, *k).

    Samples are outliers if they are far from the median of all images, or, where the components
    vary, far from a first fit: images at a corner are far from the median of a field. `present`
    (K, *k) are the components without which the values are. See `fit_components`.
    """
    count = basis.shape[1]
    penalty = roughness_penalty(count) if count > 1 else None

    def fit(weights: Array) -> Array:
        return fit_components(values, weights, basis, penalty, present)

    if len(values) <= 4:
        return fit(weights), weights
    kept = weights
    middle = np.median(values, axis=0)
    for _ in range(1 if count == 1 else REFITS):
        if count > 1:
            middle = np.tensordot(basis, fit(kept), 1)
        left = values - middle
        kept = weights * (np.abs(left) <= CLIP * mad_std(left, axis=0) + 1e-12)
    return fit(kept), kept


def fit_components(
    values: Array,
    weights: Array,
    basis: Array,
    penalty: Array | None = None,
    present: Array | None = None,
) -> Array:
    """Return the components whose combinations fit images best, by weighted least squares.

    Parameters
    ----------
    values, weights : (N, *k)
        Registered images and the weight of each sample.
    basis : (N, K)
        Coefficients of the components in each image.
    penalty : (K), optional
        Of the squares of each component, in numbers of images of the mean weight.
    present : (K, *k), optional
        Components to which the result is added, whose squares count in the penalty.

    Returns
    -------
    (K, *k)
        The weighted mean of the images for a basis of ones. Samples of no weight are 0.
    """
    if basis.shape[1] == 1:
        total = weights.sum(axis=0)
        return np.asarray((weights * values).sum(axis=0) / np.maximum(total, 1e-30))[None]
    shape, count = values.shape[1:], basis.shape[1]
    w, y = weights.reshape(len(basis), -1), values.reshape(len(basis), -1)
    normal = np.einsum("np,nk,nl->pkl", w, basis, basis)
    ridge = RIDGE * np.trace(normal, axis1=1, axis2=2) + 1e-30
    normal += ridge[:, None, None] * np.eye(count)
    held: Array | float = 0.0
    if penalty is not None:
        normal += w.mean(axis=0)[:, None, None] * np.diag(penalty)
        if present is not None:
            held = w.mean(axis=0)[:, None] * penalty * present.reshape(count, -1).T
    target = np.einsum("np,np,nk->pk", w, y, basis) - held
    return np.asarray(np.linalg.solve(normal, target[..., None])[..., 0].T.reshape(count, *shape))


def roughness_penalty(count: int) -> Array:
    """Return the penalty of each of `count` components, in numbers of points, (K).

    Components are ordered by their degree in position, of which there are d + 1 of degree d.
    """
    degrees = np.repeat(np.arange(count), np.arange(count) + 1)[:count]
    return np.asarray(np.where(degrees > 0, PENALTY * GROWTH ** (degrees - 1.0), 0.0))
