"""Loops compiled to vector instructions by numba, where the extra `fast` is installed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import Any, cast

Loops = Callable[..., None]
"""Type of a compiled function; it writes its results into arrays among its arguments."""

_ARITHMETIC = {"contract", "nsz", "reassoc"}
"""LLVM fast-math flags. Those that assume finite numbers are left out: NaN must propagate."""


@cache
def has_compiler() -> bool:
    """Return whether numba is installed, without importing it, which takes a second."""
    return find_spec("numba") is not None


def compiled(function: Loops) -> Loops:
    """Compile a function of arrays and numbers at its first call, and keep the code on disk.

    It runs without the interpreter's lock. Plain Python numbers would turn float32 into
    float64: constants are `numpy.float32`. A division by 0 gives infinity or NaN, as in numpy;
    a check of each divisor would keep loops from being compiled to vector instructions.
    """
    from numba import njit

    options: dict[str, Any] = {
        "nogil": True,
        "fastmath": _ARITHMETIC,
        "error_model": "numpy",
        "cache": True,
    }
    return cast(Loops, njit(**options)(function))


def inlined(function: Loops) -> Loops:
    """Compile a function inline into its callers, so that constant arguments are folded."""
    from numba import njit

    return cast(Loops, njit(inline="always", fastmath=_ARITHMETIC)(function))


def subroutine(function: Loops) -> Loops:
    """Compile a function for use in `compiled` ones, which keep its code together with theirs.

    A division by 0 gives infinity or NaN, as in numpy.

    Functions that are made by one function, with other values enclosed, need a `__qualname__` each:
    code from two files on disk, which two processes compiled, is linked by that name and a number
    that counts functions in a process, so that one would be called in place of the other
    (https://github.com/numba/numba/issues/10486).
    """
    from numba import njit

    return cast(Loops, njit(nogil=True, fastmath=_ARITHMETIC, error_model="numpy")(function))


def instruction(function: Callable[..., Any]) -> Any:
    """Make an instruction for compiled functions from one that emits it in the language of LLVM."""
    from numba.extending import intrinsic

    return intrinsic(function)
