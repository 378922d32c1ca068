"""Where, when, with what and by which command a benchmark was measured."""

from __future__ import annotations

import shlex
import sys
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from unblur.bench.results import describe_device


def provenance(seed: int | str = 0, device: str = "cpu") -> dict[str, Any]:
    """Return what every result file states of its making.

    Parameters
    ----------
    seed : int or str
        The seed of all that is drawn, or how seeds are given.
    device : str
        Where it ran, as torch names it.
    """
    script = Path(sys.argv[0]).name
    return {
        "device": describe_device(device),
        "date": datetime.now(UTC).date().isoformat(),
        "versions": {name: version(name) for name in ("unblur", "torch", "numpy")},
        "command": shlex.join(["python", f"benchmarks/{script}", *sys.argv[1:]]),
        "seed": seed,
    }
