"""Compiled halves of a Richardson-Lucy iteration: each filters pairs of blocks and uses the result.

Images are flat arrays of type float32, with the positions of a pair's first blocks and the
distances of planes and rows: `(values, (first, second), (plane, row))`. The next pair of a run lies
`advance` numbers on in each image.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from unblur.accel.elementary import exponential, logarithm
from unblur.accel.fourier.vector_transforms import filter_pair
from unblur.accel.jit import Loops, compiled, subroutine

_0, _1 = np.float32(0), np.float32(1)


@subroutine
def _row(image: Any, half: int, shift: int, plane: int, row: int, count: int) -> Any:
    """Return a row of a block, of `count` pixels."""
    values, starts, strides = image
    start = starts[half] + shift + plane * strides[0] + row * strides[1]
    return values[start : start + count]


@subroutine
def _divide_row(prediction: Any, data: Any, mask: Any, quotient: Any, bounds: Any) -> None:
    background, smallest = bounds
    for k in range(len(prediction)):
        value = prediction[k] + background
        value = smallest if value < smallest else value
        quotient[k] = data[k] / value - mask[k]


@subroutine
def _divide_row_with_loss(prediction: Any, data: Any, mask: Any, quotient: Any, bounds: Any) -> Any:
    background, smallest = bounds
    loss = _0
    for k in range(len(prediction)):
        value = prediction[k] + background
        value = smallest if value < smallest else value
        quotient[k] = data[k] / value - mask[k]
        loss += mask[k] * value - data[k] * logarithm(value)
    return loss


@cache
def divide_run(version: int) -> Loops:
    """Return a function that predicts blocks and sets the quotients of image and prediction.

    It adds their negative log-likelihood to `losses[0]` if `is_guarded`. `bounds` are background
    and smallest prediction; `version` is that of the compiled text.
    """

    @compiled
    def run(
        pairs: Any,
        data: Any,
        mask: Any,
        quotient: Any,
        bounds: Any,
        is_guarded: bool,
        work: Any,
        out: Any,
        losses: Any,
    ) -> None:
        _ = version
        source, starts, strides, advance, count, plan, margins = pairs
        planes, rows, columns = plan[0], plan[1], plan[2] * 8
        samples, width = planes * rows * columns, columns - margins[2]
        for n in range(count):
            shift = n * advance
            first, second = starts[0] + shift, starts[1] + shift
            filter_pair(source, first, second, strides, plan, margins, work, out)
            for half in range(2):
                for i in range(margins[0], planes):
                    for j in range(margins[1], rows):
                        u, v = i - margins[0], j - margins[1]
                        end = half * samples + (i * rows + j + 1) * columns
                        p, d = out[end - width : end], _row(data, half, shift, u, v, width)
                        m = _row(mask, half, shift, u, v, width)
                        q = _row(quotient, half, shift, u, v, width)
                        if is_guarded:
                            losses[0] += _divide_row_with_loss(p, d, m, q, bounds)
                        else:
                            _divide_row(p, d, m, q, bounds)

    return run


@subroutine
def _multiply_row(change: Any, weight: Any, scene: Any, smallest: Any) -> None:
    for k in range(len(change)):
        factor = change[k] * weight[k] + _1
        scene[k] *= smallest if factor < smallest else factor


@subroutine
def _extrapolate_row(change: Any, weight: Any, scene: Any, steps: Any, sizes: Any) -> None:
    momentum, relaxation, smallest, largest, _ = sizes
    for k in range(len(change)):
        factor = change[k] * weight[k] + _1
        factor = smallest if factor < smallest else factor
        step = momentum * steps[k] + relaxation * logarithm(factor)
        step = -largest if step < -largest else step
        step = largest if step > largest else step
        steps[k] = step
        scene[k] *= exponential(step)


@subroutine
def _add_row(change: Any, weight: Any, scene: Any, steps: Any, sizes: Any) -> None:
    _, _, _, largest, largest_weight = sizes
    for k in range(len(change)):
        factor = weight[k]
        factor = largest_weight if factor > largest_weight else factor
        step = change[k] * factor
        step = -largest if step < -largest else step
        step = largest if step > largest else step
        steps[k] = step
        scene[k] *= exponential(step)


@cache
def multiply_run(version: int) -> Loops:
    """Return a function that back-projects quotients and multiplies the scene by the factor.

    `weight` is the inverse sensitivity; a factor is at least `smallest`.
    """

    @compiled
    def run(pairs: Any, weight: Any, scene: Any, smallest: Any, work: Any, out: Any) -> None:
        _ = version
        source, starts, strides, advance, count, plan, margins = pairs
        planes, rows, columns = plan[0], plan[1], plan[2] * 8
        samples, width = planes * rows * columns, columns - margins[2]
        for n in range(count):
            shift = n * advance
            first, second = starts[0] + shift, starts[1] + shift
            filter_pair(source, first, second, strides, plan, margins, work, out)
            for half in range(2):
                for i in range(margins[0], planes):
                    for j in range(margins[1], rows):
                        u, v = i - margins[0], j - margins[1]
                        end = half * samples + (i * rows + j + 1) * columns
                        w = _row(weight, half, shift, u, v, width)
                        s = _row(scene, half, shift, u, v, width)
                        _multiply_row(out[end - width : end], w, s, smallest)

    return run


@cache
def extrapolate_run(version: int) -> Loops:
    """Return a function that does the same with accelerated steps, or with combined ones.

    `steps` are the last changes of the logarithm of the scene; `sizes` are momentum, relaxation,
    smallest factor, largest change of the logarithm, and largest weight in a combined step, which
    adds the back-projected quotients to the logarithm.
    """

    @compiled
    def run(
        pairs: Any,
        weight: Any,
        scene: Any,
        steps: Any,
        sizes: Any,
        is_combined: bool,
        work: Any,
        out: Any,
    ) -> None:
        _ = version
        source, starts, strides, advance, count, plan, margins = pairs
        planes, rows, columns = plan[0], plan[1], plan[2] * 8
        samples, width = planes * rows * columns, columns - margins[2]
        for n in range(count):
            shift = n * advance
            first, second = starts[0] + shift, starts[1] + shift
            filter_pair(source, first, second, strides, plan, margins, work, out)
            for half in range(2):
                for i in range(margins[0], planes):
                    for j in range(margins[1], rows):
                        u, v = i - margins[0], j - margins[1]
                        end = half * samples + (i * rows + j + 1) * columns
                        w = _row(weight, half, shift, u, v, width)
                        s = _row(scene, half, shift, u, v, width)
                        t = _row(steps, half, shift, u, v, width)
                        if is_combined:
                            _add_row(out[end - width : end], w, s, t, sizes)
                        else:
                            _extrapolate_row(out[end - width : end], w, s, t, sizes)

    return run
