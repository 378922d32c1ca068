"""The device, date, versions and command of a benchmark."""

from __future__ import annotations

import shlex
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from unblur.bench.results import describe_device


def provenance(seed: int | str = 0, device: str = "cpu") -> dict[str, Any]:
    """Return the entries of every result file that describe how it was made.

    Parameters
    ----------
    seed : int or str
        Seed of all random numbers, or a description of the seeds.
    device : str
        Device, as torch names it.
    """
    script = Path(sys.argv[0]).name
    return {
        "device": describe_device(device),
        "date": datetime.now(UTC).date().isoformat(),
        "versions": {name: version(name) for name in ("unblur", "torch", "numpy")},
        "command": shlex.join(["python", f"benchmarks/{script}", *sys.argv[1:]]),
        "seed": seed,
    }
