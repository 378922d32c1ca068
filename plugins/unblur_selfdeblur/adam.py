"""Adam without `torch.optim.Adam`, whose first instance imports torch's compiler for 2.7 s."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor
from torch.optim.adam import adam

BETAS = (0.9, 0.999)
"""Decay of the means of gradients and of their squares, dimensionless."""
EPSILON = 1e-8
"""Number added to the root mean square of a gradient, in the gradient's unit."""


class FusedAdam:
    """Steps of Adam on some parameters, computed in one operation.

    Parameters
    ----------
    parameters : iterable of tensor
        Leaves that require gradients; those without a gradient stay as they are in a step.

    References
    ----------
    D. P. Kingma, J. Ba, "Adam: a method for stochastic optimization", ICLR 2015.
    """

    def __init__(self, parameters: Iterable[Tensor]) -> None:
        self._parameters = list(parameters)
        self._means = [torch.zeros_like(p) for p in self._parameters]
        self._squares = [torch.zeros_like(p) for p in self._parameters]
        self._counts = [p.new_zeros((), dtype=torch.float32) for p in self._parameters]

    def step(self, rate: float) -> None:
        """Change the parameters by their gradients at a learning rate; forget the gradients."""
        chosen = [n for n, p in enumerate(self._parameters) if p.grad is not None]
        if not chosen:
            return
        gradients = [p.grad for p in self._parameters if p.grad is not None]
        lists = (self._parameters, self._means, self._squares, self._counts)
        parameters, means, squares, counts = ([values[n] for n in chosen] for values in lists)
        with torch.no_grad():
            adam(
                parameters,
                gradients,
                means,
                squares,
                [],
                counts,
                fused=True,
                amsgrad=False,
                beta1=BETAS[0],
                beta2=BETAS[1],
                lr=rate,
                weight_decay=0.0,
                eps=EPSILON,
                maximize=False,
            )
        for parameter in self._parameters:
            parameter.grad = None
