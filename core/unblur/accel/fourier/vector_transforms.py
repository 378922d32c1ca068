"""Fourier transforms of eight lines at a time, and products with a transfer function in between.

The results of a transform are in an order that depends on its radices, as no pass brings them back
into theirs; the inverse takes them in this order, and so is a transfer function kept. An array of
complex numbers is divided into panels of eight neighbours along its last axis. Its elements are in
the order (panels, rows, columns): an image of extent (n0, n1, n2) has `n2 / 8` panels of n0 x n1.

References
----------
J. W. Cooley, J. W. Tukey, "An algorithm for the machine calculation of complex Fourier series",
Math. Comput. 19, 1965.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unblur.accel.fourier.vector_instructions import (
    ELEMENT,
    LANES,
    RADICES,
    copy_lanes,
    make_butterfly,
    multiply_element,
    transpose_lanes,
)
from unblur.accel.jit import Loops, compiled, subroutine

Numbers = NDArray[np.float32]
Counts = NDArray[np.int64]

Line = tuple[int, int, Counts, Numbers]
"""Distance of a line's elements in elements, their number, their radices and twiddle factors."""


Plan = tuple[int, int, int, int, tuple[Line, Line, Line], Numbers]
"""Planes, rows, panels, distance of the rows of a panel in elements, the lines along the three
axes, and the transfer function."""


def _make_pass(radix: int, is_inverse: bool) -> Any:
    """Return a function that transforms spans of a line by one radix, or back."""
    butterfly = make_butterfly(radix, is_inverse, False)
    plain = make_butterfly(radix, is_inverse, True)
    factors = 2 * (radix - 1)

    def apply_pass(
        data: Numbers, at: int, stride: int, length: int, span: int, twiddles: Numbers, first: int
    ) -> None:
        part = span // radix
        step = part * stride * ELEMENT
        for start in range(0, length, span):
            begin = (at + start * stride) * ELEMENT
            if part == 1:
                plain(data, begin, step, twiddles, 0)
            else:
                for k in range(part):
                    position = begin + k * stride * ELEMENT
                    butterfly(data, position, step, twiddles, first + k * factors)

    apply_pass.__qualname__ += f"_{radix}_{'back' if is_inverse else 'forth'}"
    return subroutine(apply_pass)


_split5, _split3, _split4, _split2 = (_make_pass(radix, False) for radix in RADICES)
_join5, _join3, _join4, _join2 = (_make_pass(radix, True) for radix in RADICES)


@subroutine
def transform(data: Numbers, at: int, line: Line) -> None:
    """Transform a line of elements in place, the first of which is element `at`."""
    stride, length, radices, twiddles = line
    span, first = length, 0
    for n in range(len(radices)):
        radix = radices[n]
        if radix == 4:
            _split4(data, at, stride, length, span, twiddles, first)
        elif radix == 3:
            _split3(data, at, stride, length, span, twiddles, first)
        elif radix == 5:
            _split5(data, at, stride, length, span, twiddles, first)
        else:
            _split2(data, at, stride, length, span, twiddles, first)
        span //= radix
        first += 2 * (radix - 1) * span


@subroutine
def transform_back(data: Numbers, at: int, line: Line) -> None:
    """Invert `transform`, but for a factor of the length."""
    stride, length, radices, twiddles = line
    part, first = 1, len(twiddles)
    for n in range(len(radices) - 1, -1, -1):
        radix = radices[n]
        first -= 2 * (radix - 1) * part
        span = part * radix
        if radix == 4:
            _join4(data, at, stride, length, span, twiddles, first)
        elif radix == 3:
            _join3(data, at, stride, length, span, twiddles, first)
        elif radix == 5:
            _join5(data, at, stride, length, span, twiddles, first)
        else:
            _join2(data, at, stride, length, span, twiddles, first)
        part = span


def factorize(length: int) -> list[int]:
    """Return the radices of a 5-smooth length.

    Examples
    --------
    >>> factorize(160), factorize(96)
    ([5, 4, 4, 2], [3, 4, 4, 2])
    """
    radices = []
    for radix in RADICES:
        while length % radix == 0:
            radices.append(radix)
            length //= radix
    if length != 1:
        raise ValueError("the length has a factor above 5; take the next 5-smooth length")
    return radices


def twiddle_factors(length: int, radices: Sequence[int]) -> Numbers:
    """Return the factors `exp(-2 pi i j k / span)` of all passes, real and imaginary parts."""
    parts = []
    span = length
    for radix in radices:
        k, j = np.arange(span // radix)[:, None], np.arange(1, radix)
        factors = np.exp(-2j * np.pi * k * j / span)
        parts.append(np.stack([factors.real, factors.imag], -1).ravel())
        span //= radix
    return np.concatenate([np.zeros(0), *parts]).astype(np.float32)


@subroutine
def load_pair(
    source: Numbers, first: int, second: int, strides: tuple[int, int], plan: Plan, work: Numbers
) -> None:
    """Load two real blocks as real and imaginary part, and transform them along two axes.

    `first` and `second` are the positions of the blocks in `source`, `strides` the distances of
    its planes and of its rows.
    """
    planes, rows, panels, pitch, axes, _ = plan
    for panel in range(panels):
        for i in range(planes):
            at = (panel * planes + i) * pitch
            for j in range(rows):
                offset = i * strides[0] + j * strides[1] + panel * LANES
                copy_lanes(source, first + offset, work, (at + j) * ELEMENT)
                copy_lanes(source, second + offset, work, (at + j) * ELEMENT + LANES)
            transform(work, at, axes[1])
        if planes > 1:
            for j in range(rows):
                transform(work, panel * planes * pitch + j, axes[0])


@subroutine
def _transpose(source: Numbers, at: int, target: Numbers, to: int) -> None:
    """Exchange elements and lanes of eight elements."""
    transpose_lanes(source, at * ELEMENT, target, to * ELEMENT)
    transpose_lanes(source, at * ELEMENT + LANES, target, to * ELEMENT + LANES)


@subroutine
def filter_lines(work: Numbers, plan: Plan) -> None:
    """Transform along the last axis, multiply by the transfer function, and transform back.

    Eight lines that lie in a panel beside each other are copied to the end of `work` and back.
    """
    planes, rows, panels, pitch, axes, otf = plan
    length, line = panels * LANES, panels * planes * pitch
    for i in range(planes):
        for group in range(rows // LANES):
            first = i * pitch + group * LANES
            for panel in range(panels):
                _transpose(work, panel * planes * pitch + first, work, line + panel * LANES)
            transform(work, line, axes[2])
            factors = (i * (rows // LANES) + group) * length
            for n in range(length):
                multiply_element(work, (line + n) * ELEMENT, otf, (factors + n) * ELEMENT)
            transform_back(work, line, axes[2])
            for panel in range(panels):
                _transpose(work, line + panel * LANES, work, panel * planes * pitch + first)


@subroutine
def store_pair(work: Numbers, plan: Plan, margins: tuple[int, int, int], out: Numbers) -> None:
    """Transform back along the other two axes, and store the two blocks after each other.

    What lies before the margins need not be computed.
    """
    planes, rows, panels, pitch, axes, _ = plan
    samples = planes * rows * panels * LANES
    for panel in range(margins[2] // LANES, panels):
        for i in range(planes):
            transform_back(work, (panel * planes + i) * pitch, axes[1])
        if planes > 1:
            for j in range(margins[1], rows):
                transform_back(work, panel * planes * pitch + j, axes[0])
        for i in range(margins[0], planes):
            for j in range(margins[1], rows):
                at = ((panel * planes + i) * pitch + j) * ELEMENT
                to = ((i * rows + j) * panels + panel) * LANES
                copy_lanes(work, at, out, to)
                copy_lanes(work, at + LANES, out, samples + to)


@subroutine
def filter_pair(
    source: Numbers,
    first: int,
    second: int,
    strides: tuple[int, int],
    plan: Plan,
    margins: tuple[int, int, int],
    work: Numbers,
    out: Numbers,
) -> None:
    """Filter two blocks of `source`, see `load_pair`, and store the results, see `store_pair`."""
    load_pair(source, first, second, strides, plan, work)
    filter_lines(work, plan)
    store_pair(work, plan, margins, out)


@cache
def compiled_transfer_function(version: int) -> Loops:
    """Return a function that sets the transfer function of a plan to the transform of a block.

    `grid` holds the block, and after it one of zeros, the imaginary part. `version` is that of the
    source text.
    """

    @compiled
    def run(grid: Numbers, plan: Plan, work: Numbers) -> None:
        _ = version
        planes, rows, panels, pitch, axes, factors = plan
        length, line = panels * LANES, panels * planes * pitch
        load_pair(grid, 0, planes * rows * length, (rows * length, length), plan, work)
        for i in range(planes):
            for group in range(rows // LANES):
                first = i * pitch + group * LANES
                for panel in range(panels):
                    _transpose(work, panel * planes * pitch + first, work, line + panel * LANES)
                transform(work, line, axes[2])
                to = (i * (rows // LANES) + group) * length
                for n in range(2 * length):
                    copy_lanes(work, line * ELEMENT + n * LANES, factors, to * ELEMENT + n * LANES)

    return run


@cache
def compiled_pair_filter(version: int) -> Loops:
    """Return `filter_pair` for calls from Python; `version` is that of the source text."""

    @compiled
    def run(
        source: Numbers,
        first: int,
        second: int,
        strides: tuple[int, int],
        plan: Plan,
        margins: tuple[int, int, int],
        work: Numbers,
        out: Numbers,
    ) -> None:
        _ = version
        filter_pair(source, first, second, strides, plan, margins, work, out)

    return run
