"""One training of `gpu_run.py`, in a process that has not used the device before.

python benchmarks/gpu/gpu_one_training.py NAME DEVICE DATA OUT SECONDS RESULT
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import torch
from gpu_training import JOBS, continue_training


def main() -> None:
    """Train, and write the results as JSON."""
    name, device, data, out, seconds, result = sys.argv[1:]
    torch.set_num_threads(1)
    torch.set_float32_matmul_precision("high")
    job = next(job for job in JOBS if job.name == name)
    workers = max((os.cpu_count() or 2) - 2, 1)
    found = continue_training(job, Path(data), Path(out), device, float(seconds), None, workers)
    Path(result).write_text(json.dumps(found), "utf-8")


if __name__ == "__main__":
    main()
