"""Measures how long the UI thread was away from its events.

On a machine that is busy with other things a thread waits for its turn, which is nobody's
fault here. So two figures are taken: the processor time that the UI thread spent in one turn of
its loop, which load does not change, and the time on the clock, beside which a second process
tells by how much the machine stretches time just then.
"""

from __future__ import annotations

import gc
import subprocess
import sys
import time
from typing import Any

STEP = 0.01


class Heartbeat:
    """A timer that ought to fire every 10 ms. Use as a context manager.

    Attributes
    ----------
    worst, busiest : float
        Longest time between two beats, by the clock and by the thread's processor time, s.
    stretch, lag : float
        How many times longer than its processor time a piece of work took at worst in the
        second process, and how much too late it woke up, s.
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
        # What earlier tests left in memory would be gone through at any moment, in this thread.
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
        """Return what `limit` seconds of work may take on the clock under the present load."""
        return limit * self.stretch + self.lag

    def __str__(self) -> str:
        return (
            f"away for {self.worst:.3f} s, {self.busiest:.3f} s of them at work; "
            f"load stretches time {self.stretch:.1f} times and wakes {self.lag:.3f} s late"
        )

    def _beat(self) -> None:
        clock, used = time.perf_counter(), time.thread_time()
        self.worst = max(self.worst, clock - self._clock - STEP)
        self.busiest = max(self.busiest, used - self._used)
        self.beats += 1
        self._clock, self._used = clock, used


def reference() -> tuple[float, float]:
    """Return the worst stretch of 5 ms of work and the worst delay of a 10 ms sleep."""
    import select

    stretch, lag = 1.0, 0.0
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while not select.select([sys.stdin], [], [], 0)[0]:
        began = time.perf_counter()
        time.sleep(STEP)
        woke, used = time.perf_counter(), time.thread_time()
        while time.thread_time() - used < STEP / 2:
            pass
        stretch = max(stretch, (time.perf_counter() - woke) / (time.thread_time() - used))
        lag = max(lag, woke - began - STEP)
    return stretch, lag


if __name__ == "__main__":
    sys.stdout.write("{} {}\n".format(*reference()))
