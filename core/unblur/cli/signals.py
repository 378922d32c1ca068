"""Ctrl-C: the first requests cancellation at the next step, the second stops immediately."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from unblur.cli.console import print_status


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Yield a function that returns whether SIGINT or SIGTERM was received.

    It serves as `is_cancelled` of a `Context`. Signals are caught in the main thread only;
    elsewhere the function always returns False and Ctrl-C acts as usual.
    """
    from unblur.io.interruption import interruptible_reads

    requested = threading.Event()

    def request(number: int, frame: FrameType | None) -> None:
        if requested.is_set():
            raise KeyboardInterrupt
        requested.set()
        print_status("stopping after this step; Ctrl-C again to stop at once.")

    if threading.current_thread() is not threading.main_thread():
        yield requested.is_set
        return
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, request) for number in signals}
    try:
        with interruptible_reads(requested.is_set):
            yield requested.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
