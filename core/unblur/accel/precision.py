"""Floating-point type in which networks run on a device."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import torch

_CPU_INFO = Path("/proc/cpuinfo")


@lru_cache(maxsize=8)
def network_dtype(device: str) -> torch.dtype:
    """Return bfloat16 where matrix hardware multiplies it natively, else float32.

    For networks only: sums over an image, transforms and solvers stay in float32.

    Parameters
    ----------
    device : str
        "cpu", "cuda", "cuda:N" or "mps".
    """
    kind = torch.device(device).type
    if kind == "cuda":
        native = torch.cuda.get_device_capability(device)[0] >= 8
    else:
        native = kind == "cpu" and "amx_bf16" in cpu_flags()
    return torch.bfloat16 if native else torch.float32


@lru_cache(maxsize=1)
def cpu_flags() -> frozenset[str]:
    """Return the features listed in /proc/cpuinfo, e.g. "amx_bf16"; none without that file."""
    try:
        text = _CPU_INFO.read_text(encoding="utf-8")
    except OSError:
        return frozenset()
    for line in text.splitlines():
        if line.startswith("flags"):
            return frozenset(line.partition(":")[2].split())
    return frozenset()
