"""The context of a stage: device, seed, noise, progress, cancellation."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from unblur.errors import Cancelled, UsageError
from unblur.old_names import current_keywords

if TYPE_CHECKING:
    import torch

T = TypeVar("T")

ToneCurve = Literal["none", "srgb"]
"""The curve through which an image stores light: values in proportion to light, or that of sRGB
(IEC 61966-2-1)."""


@dataclass(frozen=True)
class Progress:
    """A progress report.

    Attributes
    ----------
    label : str
        Name of the work, e.g. "map" or "tile".
    done, total : int
        Number of steps finished, and of all steps.
    elapsed : float
        Seconds since the work began.
    preview : tensor or array, optional
        An intermediate image (C, H, W), white = 1.
    """

    label: str
    done: int
    total: int
    elapsed: float
    preview: Any = None

    @property
    def remaining(self) -> float:
        """Estimated time left in seconds, at the mean rate so far; infinite before a step."""
        if self.done == 0:
            return float("inf")
        return self.elapsed * (self.total - self.done) / self.done


def _no_report(_: Progress) -> None: ...


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Context:
    """Device, seed, image statistics and callbacks that a stage runs with.

    Parameters
    ----------
    device : str
        "cpu", "cuda", "cuda:N" or "mps"; `resolve_device` turns "auto" into one of them.
    seed : int
        Seed of every random draw; the same seed on the same device gives the same result.
    noise : float, optional
        Standard deviation of the noise, white = 1, stated by the user or measured on the whole
        image. If `None`, a stage estimates it from its input.
    contrast : float, optional
        Standard deviation of the values, white = 1, measured on the whole image, so that every
        tile is regularised equally. If `None`, a stage measures its input.
    brightness : float, optional
        Mean of the values, white = 1, measured on the whole image; likewise.
    saturation_level : float, optional
        Value at which the sensor clipped, white = 1. It is a lower bound on the true value of
        masked pixels that reach it; `None` if nothing is known about masked pixels.
    tone_curve : {"none", "srgb"}
        The curve through which the image stores light, which was undone for the stages: its
        values are then amounts of light, and thresholds that were found on stored values apply to
        `unblur.numerics.tone_curve.stored_values`.
    value_range : (float, float)
        Smallest and largest value that a result can have, white = 1: those of an integer type or
        a bit depth. Without such a limit it is infinite, as above for floats; below 0 is the
        limit of an image that has no negative values.
    origin : (int, int)
        Row and column, in the whole image, of the first pixel of the piece that a stage is given:
        for stages whose result depends on the position, such as networks that halve the
        resolution.
    crop_origin : (int, int)
        Row and column, in the image that the file holds, of the first pixel of the image that is
        deblurred: not 0 for a crop.
    image_values : int
        Number of values of the whole image, of all channels and planes; 0 where a stage runs on its
        own. Code that takes time to load is used where the whole image is worth it, so that its
        tiles and planes are computed in the same way.
    cut_axes : tuple of bool
        For each spatial axis, whether the piece is cut out of the image on both sides: what a stage
        returns within its halo and a kernel's width of them is discarded, so that it need not solve
        for the scene beyond. A tile has a value for each axis; empty for any other image.
    spanned_axes : tuple of bool
        For each spatial axis of a tile, whether it reaches from one border of the image to the
        other, so that the scene beyond is the same as for the whole image. Empty as `cut_axes`.
    window_axes : tuple of bool
        For each spatial axis, whether the piece is a window of a field of kernels that is cut out
        of the image on both sides. A kernel's width is discarded of what a stage returns there,
        which may be less than its halo. Empty where the piece is no such window.
    gain : float, optional
        Electrons that one unit of the image's values stands for, as its file states.
    read_noise : float, optional
        Standard deviation of the read noise in electrons, as its file states.
    span : float
        Units of the image's values from black = 0 to white = 1.
    on_progress : callable
        Called with `Progress` reports.
    is_cancelled : callable
        Polled between steps; once it returns true, `checkpoint` raises `Cancelled`.
    """

    device: str = "cpu"
    seed: int = 0
    noise: float | None = None
    contrast: float | None = None
    brightness: float | None = None
    saturation_level: float | None = None
    tone_curve: ToneCurve = "none"
    value_range: tuple[float, float] = (0.0, 1.0)
    gain: float | None = None
    read_noise: float | None = None
    span: float = 1.0
    origin: tuple[int, int] = (0, 0)
    crop_origin: tuple[int, int] = (0, 0)
    image_values: int = 0
    cut_axes: tuple[bool, ...] = ()
    spanned_axes: tuple[bool, ...] = ()
    window_axes: tuple[bool, ...] = ()
    on_progress: Callable[[Progress], None] = field(default=_no_report, repr=False, compare=False)
    is_cancelled: Callable[[], bool] = field(default=_never, repr=False, compare=False)

    def checkpoint(self) -> None:
        """Raise `Cancelled` if the run was cancelled. Stages call it once per iteration."""
        if self.is_cancelled():
            raise Cancelled

    def track(self, steps: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
        """Yield `steps`, reporting progress after each and stopping when cancelled.

        Example
        -------
        >>> reports = []
        >>> context = Context(on_progress=reports.append)
        >>> [n * n for n in context.track(range(3), "squares")]
        [0, 1, 4]
        >>> [(r.done, r.total) for r in reports]
        [(1, 3), (2, 3), (3, 3)]
        """
        items = steps if total is not None else list(steps)
        count = total if total is not None else len(items)  # type: ignore[arg-type]
        tick = self.ticker(label, count)
        for item in items:
            self.checkpoint()
            yield item
            tick()

    def ticker(self, label: str, total: int) -> Callable[..., None]:
        """Return a callback that counts one step of `total` done each time it is called.

        It ignores positional arguments, so that a solver can call it as its `on_step`, and raises
        `Cancelled` if the run was cancelled. Its keyword `preview` is an intermediate image
        (C, H, W).
        """
        began = time.perf_counter()
        done = 0

        def tick(*_: Any, preview: Any = None) -> None:
            nonlocal done
            done += 1
            self.on_progress(Progress(label, done, total, time.perf_counter() - began, preview))
            self.checkpoint()

        return tick

    def generator(self) -> torch.Generator:
        """Return a fresh random generator on the device, seeded by `seed`."""
        import torch

        return torch.Generator(device=self.device).manual_seed(self.seed)

    def silent(self) -> Context:
        """Return a copy that reports no progress, for one piece of work among many."""
        return replace(self, on_progress=_no_report)

    def with_(self, **changes: Any) -> Context:
        """Return a copy with some fields changed."""
        return replace(self, **current_keywords(type(self), changes))


def resolve_device(device: str) -> str:
    """Return the best device present for "auto", and any other one if it exists.

    Raises
    ------
    UsageError
        If the named device is not on this machine.
    """
    import torch

    if device == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        kind = torch.device(device).type
    except RuntimeError:
        raise UsageError(f"device is auto, cpu, cuda, cuda:N or mps, got '{device}'.") from None
    present = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if not present.get(kind, False):
        here = ", ".join(name for name, is_here in present.items() if is_here)
        raise UsageError(f"there is no device '{device}' on this machine; use {here} or auto.")
    return device
