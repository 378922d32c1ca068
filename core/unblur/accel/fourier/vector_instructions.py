"""Instructions of eight single-precision numbers each, for functions that numba compiles.

An element is eight complex numbers, one of each of eight transforms that are computed side by side:
their eight real parts and then their eight imaginary parts, `ELEMENT` numbers in all. Arrays are
flat and of type float32, and a position is the index of a number in such an array. Nothing checks
that a position lies within its array.

The instructions are written in the language of LLVM. In loops over plain arrays the compiler cannot
know that the inputs and outputs of a transform do not overlap, and makes scalar code.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from llvmlite import ir
from numba import types

from unblur.accel.jit import instruction

LANES = 8
"""Number of transforms that are computed side by side, dimensionless."""
ELEMENT = 2 * LANES
"""Extent of an element, in float32 numbers."""
RADICES = (5, 3, 4, 2)
"""Factors of lengths, in the order in which they are split off, dimensionless."""

_FLOAT = ir.FloatType()
_INT = ir.IntType(32)
_VECTOR = ir.VectorType(_FLOAT, LANES)
_FLAGS = ("contract",)
"""A product and a sum may be rounded once, as in a fused instruction."""

_SHUFFLES = [
    ([0, 8, 1, 9, 4, 12, 5, 13], [2, 10, 3, 11, 6, 14, 7, 15]),
    ([0, 1, 8, 9, 4, 5, 12, 13], [2, 3, 10, 11, 6, 7, 14, 15]),
    ([0, 1, 2, 3, 8, 9, 10, 11], [4, 5, 6, 7, 12, 13, 14, 15]),
]
"""Indices into pairs of vectors, by which three rounds of shuffles transpose eight vectors."""
_SHUFFLED_ORDER = (0, 2, 1, 3, 4, 6, 5, 7)
"""Where the vectors of the transpose are after these rounds."""


class _Complex(NamedTuple):
    """Eight complex numbers in registers, and arithmetic that emits instructions."""

    builder: Any
    real: Any
    imag: Any

    def plus(self, other: _Complex) -> _Complex:
        return self._joined(self.builder.fadd, other)

    def minus(self, other: _Complex) -> _Complex:
        return self._joined(self.builder.fsub, other)

    def _joined(self, operation: Any, other: _Complex) -> _Complex:
        real = operation(self.real, other.real, flags=_FLAGS)
        return _Complex(self.builder, real, operation(self.imag, other.imag, flags=_FLAGS))

    def plus_i_times(self, other: _Complex, sign: int) -> _Complex:
        """Return `self + sign * i * other` for a sign of 1 or -1."""
        add, subtract = self.builder.fadd, self.builder.fsub
        if sign < 0:
            add, subtract = subtract, add
        real = subtract(self.real, other.imag, flags=_FLAGS)
        return _Complex(self.builder, real, add(self.imag, other.real, flags=_FLAGS))

    def scaled(self, factor: float) -> _Complex:
        constant = ir.Constant(_VECTOR, [ir.Constant(_FLOAT, factor)] * LANES)
        multiply = self.builder.fmul
        real = multiply(self.real, constant, flags=_FLAGS)
        return _Complex(self.builder, real, multiply(self.imag, constant, flags=_FLAGS))

    def times(self, other: _Complex, conjugated: bool = False) -> _Complex:
        """Return the product with `other`, or with its conjugate."""
        add, subtract = self.builder.fadd, self.builder.fsub
        if conjugated:
            add, subtract = subtract, add

        def product(a: Any, b: Any) -> Any:
            return self.builder.fmul(a, b, flags=_FLAGS)

        real = subtract(
            product(self.real, other.real), product(self.imag, other.imag), flags=_FLAGS
        )
        imag = add(product(self.imag, other.real), product(self.real, other.imag), flags=_FLAGS)
        return _Complex(self.builder, real, imag)


def _dft(x: Sequence[_Complex], sign: int) -> list[_Complex]:
    """Return `sum_j x_j exp(sign 2 pi i j k / n)` for each `k`, for a length of 2, 3, 4 or 5."""
    if len(x) == 2:
        return [x[0].plus(x[1]), x[0].minus(x[1])]
    if len(x) == 3:
        total, difference = x[1].plus(x[2]), x[1].minus(x[2]).scaled(math.sqrt(0.75))
        centre = x[0].minus(total.scaled(0.5))
        turned = [centre.plus_i_times(difference, s) for s in (sign, -sign)]
        return [x[0].plus(total), *turned]
    if len(x) == 5:
        c, s = ([f(2 * math.pi * n / 5) for n in (1, 2)] for f in (math.cos, math.sin))
        a, b = x[1].plus(x[4]), x[2].plus(x[3])
        d, e = x[1].minus(x[4]), x[2].minus(x[3])
        first = x[0].plus(a.scaled(c[0])).plus(b.scaled(c[1]))
        second = x[0].plus(a.scaled(c[1])).plus(b.scaled(c[0]))
        p = d.scaled(s[0]).plus(e.scaled(s[1]))
        q = d.scaled(s[1]).minus(e.scaled(s[0]))
        middle = [second.plus_i_times(q, sign), second.plus_i_times(q, -sign)]
        ends = [first.plus_i_times(p, sign), first.plus_i_times(p, -sign)]
        return [x[0].plus(a).plus(b), ends[0], *middle, ends[1]]
    even, odd = _dft(x[::2], sign), _dft(x[1::2], sign)
    # Of length 4, from two of length 2.
    n = len(even)
    sums, differences = [], []
    for k, (a, b) in enumerate(zip(even, odd, strict=True)):
        if k < n // 2:
            sums.append(a.plus(b))
            differences.append(a.minus(b))
        else:
            sums.append(a.plus_i_times(b, sign))
            differences.append(a.plus_i_times(b, -sign))
    return [*sums, *differences]


def _pointer(context: Any, builder: Any, kind: Any, array: Any) -> Any:
    return context.make_array(kind)(context, builder, array).data


def _load(builder: Any, pointer: Any, position: Any) -> Any:
    address = builder.bitcast(builder.gep(pointer, [position]), _VECTOR.as_pointer())
    return builder.load(address, align=4)


def _store(builder: Any, vector: Any, pointer: Any, position: Any) -> None:
    address = builder.bitcast(builder.gep(pointer, [position]), _VECTOR.as_pointer())
    builder.store(vector, address, align=4)


def _load_complex(builder: Any, pointer: Any, position: Any) -> _Complex:
    second = builder.add(position, ir.Constant(position.type, LANES))
    real = _load(builder, pointer, position)
    return _Complex(builder, real, _load(builder, pointer, second))


def _store_complex(builder: Any, value: _Complex, pointer: Any, position: Any) -> None:
    _store(builder, value.real, pointer, position)
    second = builder.add(position, ir.Constant(position.type, LANES))
    _store(builder, value.imag, pointer, second)


def _load_equal(builder: Any, pointer: Any, position: Any) -> Any:
    """Load one number into all lanes."""
    number = builder.load(builder.gep(pointer, [position]))
    undefined = ir.Constant(_VECTOR, ir.Undefined)
    first = builder.insert_element(undefined, number, ir.Constant(_INT, 0))
    return _shuffle(builder, first, undefined, [0] * LANES)


def _shuffle(builder: Any, a: Any, b: Any, indices: Sequence[int]) -> Any:
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_INT, LANES), list(indices)))


def make_butterfly(radix: int, is_inverse: bool, is_last: bool) -> Any:
    """Return an instruction for one butterfly: a DFT of `radix` elements, in place.

    Its arguments are the array, the position of the first element, the distance to the next one,
    an array of twiddle factors and the position of the first of them. The transform's results are
    multiplied by the factors; the inverse's inputs by their conjugates. With `is_last` all factors
    are 1.
    """

    @instruction
    def butterfly(typing: Any, data: Any, at: Any, step: Any, twiddles: Any, first: Any) -> Any:
        def emit(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            values = _pointer(context, builder, signature.args[0], given[0])
            factors = _pointer(context, builder, signature.args[3], given[3])

            def number(n: int) -> Any:
                return ir.Constant(given[1].type, n)

            positions = [
                builder.add(given[1], builder.mul(given[2], number(n))) for n in range(radix)
            ]
            x = [_load_complex(builder, values, position) for position in positions]
            weights = []
            for n in range(0 if is_last else radix - 1):
                parts = [builder.add(given[4], number(2 * n + part)) for part in range(2)]
                real, imag = (_load_equal(builder, factors, part) for part in parts)
                weights.append(_Complex(builder, real, imag))
            if is_inverse and weights:
                x[1:] = [a.times(w, conjugated=True) for a, w in zip(x[1:], weights, strict=True)]
            y = _dft(x, 1 if is_inverse else -1)
            if weights and not is_inverse:
                y[1:] = [a.times(w) for a, w in zip(y[1:], weights, strict=True)]
            for value, position in zip(y, positions, strict=True):
                _store_complex(builder, value, values, position)
            return context.get_dummy_value()

        return types.void(data, at, step, twiddles, first), emit

    return butterfly


@instruction
def copy_lanes(typing: Any, source: Any, at: Any, target: Any, to: Any) -> Any:
    """Copy eight numbers from a position in `source` to one in `target`."""

    def emit(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        vector = _load(builder, _pointer(context, builder, signature.args[0], given[0]), given[1])
        _store(builder, vector, _pointer(context, builder, signature.args[2], given[2]), given[3])
        return context.get_dummy_value()

    return types.void(source, at, target, to), emit


@instruction
def multiply_element(typing: Any, data: Any, at: Any, factors: Any, first: Any) -> Any:
    """Multiply an element of `data` by one of `factors`, in place."""

    def emit(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        values = _pointer(context, builder, signature.args[0], given[0])
        factor = _load_complex(
            builder, _pointer(context, builder, signature.args[2], given[2]), given[3]
        )
        product = _load_complex(builder, values, given[1]).times(factor)
        _store_complex(builder, product, values, given[1])
        return context.get_dummy_value()

    return types.void(data, at, factors, first), emit


@instruction
def transpose_lanes(typing: Any, source: Any, at: Any, target: Any, to: Any) -> Any:
    """Transpose eight vectors of eight numbers, an element apart, from `source` to `target`."""

    def emit(context: Any, builder: Any, signature: Any, given: Any) -> Any:
        origin = _pointer(context, builder, signature.args[0], given[0])
        end = _pointer(context, builder, signature.args[2], given[2])
        offsets = [ir.Constant(given[1].type, ELEMENT * n) for n in range(LANES)]
        x = [_load(builder, origin, builder.add(given[1], offset)) for offset in offsets]
        for distance, chosen in zip((1, 2, 4), _SHUFFLES, strict=True):
            for n in (n for n in range(LANES) if not n & distance):
                pair = x[n], x[n + distance]
                x[n], x[n + distance] = (_shuffle(builder, *pair, c) for c in chosen)
        for n, offset in zip(_SHUFFLED_ORDER, offsets, strict=True):
            _store(builder, x[n], end, builder.add(given[3], offset))
        return context.get_dummy_value()

    return types.void(source, at, target, to), emit
