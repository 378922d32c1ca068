"""Logarithm and exponential for functions that numba compiles to vector instructions.

Those of the C library are called number by number. These are polynomials on a small interval, and
bits of the exponent; they differ from the exact values by at most two units in the last place.

References
----------
S. L. Moshier, Cephes Mathematical Library, `logf` and `expf`, 1989.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba import types

from unblur.accel.jit import instruction

_LOG = (
    7.0376836292e-2,
    -1.1514610310e-1,
    1.1676998740e-1,
    -1.2420140846e-1,
    1.4249322787e-1,
    -1.6668057665e-1,
    2.0000714765e-1,
    -2.4999993993e-1,
    3.3333331174e-1,
)
"""Coefficients of `(log(1 + x) - x + x^2 / 2) / x^3`, the highest power first, dimensionless."""
_EXP = (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 0.5)
"""Coefficients of `(exp(x) - 1 - x) / x^2`, the highest power first, dimensionless."""
_LN2 = (0.693359375, -2.12194440e-4)
"""Logarithm of 2 as a number of few bits and a rest, dimensionless."""
_SQRT_HALF_BITS = 0x3F3504F3
"""Square root of one half as a float32, its bits."""
_MANTISSA = 23
"""Stored binary places of a float32, bits."""

_FLOAT, _INT = ir.FloatType(), ir.IntType(32)
_FLAGS = ("contract",)


def _constant(value: float) -> Any:
    return ir.Constant(_FLOAT, value)


def _multiply_add(builder: Any, a: Any, b: Any, c: Any) -> Any:
    return builder.fadd(builder.fmul(a, b, flags=_FLAGS), c, flags=_FLAGS)


def _polynomial(builder: Any, coefficients: Sequence[float], x: Any) -> Any:
    total = _constant(coefficients[0])
    for coefficient in coefficients[1:]:
        total = _multiply_add(builder, total, x, _constant(coefficient))
    return total


@instruction
def logarithm(typing: Any, x: Any) -> Any:
    """Return the natural logarithm of a normal positive float32; NaN and infinity stay so."""

    def emit(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        x, bits = given[0], builder.bitcast(given[0], _INT)
        places = ir.Constant(_INT, _MANTISSA)
        exponent = builder.ashr(builder.sub(bits, ir.Constant(_INT, _SQRT_HALF_BITS)), places)
        mantissa = builder.bitcast(builder.sub(bits, builder.shl(exponent, places)), _FLOAT)
        f = builder.fsub(mantissa, _constant(1.0))
        square, e = builder.fmul(f, f), builder.sitofp(exponent, _FLOAT)
        cubic = builder.fmul(builder.fmul(square, f), _polynomial(builder, _LOG, f))
        total = _multiply_add(builder, e, _constant(_LN2[1]), cubic)
        total = _multiply_add(builder, square, _constant(-0.5), total)
        total = _multiply_add(builder, e, _constant(_LN2[0]), builder.fadd(total, f))
        is_finite = builder.fcmp_ordered("<", x, _constant(float("inf")))
        return builder.select(is_finite, total, x)

    return types.float32(types.float32), emit


@instruction
def exponential(typing: Any, x: Any) -> Any:
    """Return the exponential of a float32 between -80 and 80; NaN stays so."""

    def emit(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        x, round_off = given[0], builder.module.declare_intrinsic("llvm.nearbyint", [_FLOAT])
        n = builder.call(round_off, [builder.fmul(x, _constant(1.4426950408889634))])
        rest = _multiply_add(builder, n, _constant(-_LN2[0]), x)
        rest = _multiply_add(builder, n, _constant(-_LN2[1]), rest)
        series = _polynomial(builder, _EXP, rest)
        total = _multiply_add(builder, builder.fmul(rest, rest), series, rest)
        biased = builder.add(builder.fptosi(n, _INT), ir.Constant(_INT, 127))
        power = builder.bitcast(builder.shl(biased, ir.Constant(_INT, _MANTISSA)), _FLOAT)
        return builder.fmul(builder.fadd(total, _constant(1.0)), power)

    return types.float32(types.float32), emit
