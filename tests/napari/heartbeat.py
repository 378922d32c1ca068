"""Measurement of the time for which the UI thread does not process events.

On a loaded machine a thread waits for a processor, which the widget cannot help. So two times
are measured: the processor time of the UI thread between two events, which does not depend on
the load, and the elapsed time, to be compared with the delays that a second process measures.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from typing import Any

STEP = 0.01
"""Interval of the timer, in seconds."""


class Heartbeat:
    """A timer with an interval of 10 ms, used as a context manager.

    Attributes
    ----------
    worst, busiest : float
        Largest elapsed time and largest processor time between two timer events, in seconds.
    stretch : float
        Largest ratio of elapsed to processor time in the second process, dimensionless.
    lag : float
        Largest delay of a wake-up in the second process, in seconds.
    """

    def __init__(self) -> None:
        from qtpy.QtCore import Qt, QTimer

        self.worst = self.busiest = self.lag = 0.0
        self.stretch = 1.0
        self.beats = 0
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.setInterval(int(1000 * STEP))
        self._timer.timeout.connect(self._beat)

    def __enter__(self) -> Heartbeat:
        # Otherwise the collector could visit the objects of earlier tests during the measurement.
        gc.collect()
        gc.freeze()
        self._reference = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._reference.stdout is not None
        self._reference.stdout.readline()
        self._clock, self._used = time.perf_counter(), time.thread_time()
        self._timer.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._beat()
        self._timer.stop()
        gc.unfreeze()
        out, _err = self._reference.communicate("")
        self.stretch, self.lag = (float(word) for word in out.split())

    def allowed(self, limit: float) -> float:
        """Return the elapsed time that `limit` seconds of work may take under the present load."""
        return limit * self.stretch + self.lag

    def __str__(self) -> str:
        return (
            f"blocked for {self.worst:.3f} s, processor time {self.busiest:.3f} s; under load, "
            f"elapsed / processor time is {self.stretch:.1f}, wake-ups are {self.lag:.3f} s late"
        )

    def _beat(self) -> None:
        clock, used = time.perf_counter(), time.thread_time()
        self.worst = max(self.worst, clock - self._clock - STEP)
        self.busiest = max(self.busiest, used - self._used)
        self.beats += 1
        self._clock, self._used = clock, used


def reference() -> tuple[float, float]:
    """Return the largest ratio for 5 ms of work, and the largest delay of a 10 ms sleep."""
    import select

    stretch, lag = 1.0, 0.0
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while not select.select([sys.stdin], [], [], 0)[0]:
        start = time.perf_counter()
        time.sleep(STEP)
        wake_time, used = time.perf_counter(), time.thread_time()
        while time.thread_time() - used < STEP / 2:
            pass
        stretch = max(stretch, (time.perf_counter() - wake_time) / (time.thread_time() - used))
        lag = max(lag, wake_time - start - STEP)
    return stretch, lag


if __name__ == "__main__":
    sys.stdout.write("{} {}\n".format(*reference()))
