"""Loops compiled to vector instructions by numba, where the extra `fast` is installed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import cast

Loops = Callable[..., None]
"""A compiled function, which writes its results into arrays that it is given."""

_ARITHMETIC = {"contract", "nsz", "reassoc"}
"""What may be rearranged. Numbers that are not finite must stay so, and be seen."""


@cache
def has_compiler() -> bool:
    """Whether numba is installed; its import, which takes a second, is left to who needs it."""
    return find_spec("numba") is not None


def compiled(function: Loops) -> Loops:
    """Compile a function of arrays and numbers at its first call, and keep the code on disk.

    It runs without the interpreter's lock. Plain Python numbers would turn float32 into
    float64: constants are `numpy.float32`.
    """
    from numba import njit

    return cast(Loops, njit(nogil=True, fastmath=_ARITHMETIC, cache=True)(function))


def inlined(function: Loops) -> Loops:
    """Compile a function into its callers, where what they pass may be constants."""
    from numba import njit

    return cast(Loops, njit(inline="always", fastmath=_ARITHMETIC)(function))
