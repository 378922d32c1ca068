"""Import of torch and all plugins without blocking the user interface."""

from __future__ import annotations

import ctypes
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unblur.plugins.manager import Registry

_LIBRARIES = ("libc10", "libtorch_cpu", "libtorch", "libtorch_python")


@dataclass(frozen=True)
class InstalledMethods:
    """Stages and pipelines of the installed plugins, and the devices of this machine."""

    registry: Registry
    devices: list[str]


def load_methods() -> InstalledMethods:
    """Import torch, the engine and all plugins. Takes seconds; call it in a worker thread."""
    _open_libraries()
    import torch

    from unblur.plugins.manager import registry

    devices = ["auto", "cpu"]
    if torch.cuda.is_available():
        devices += [f"cuda:{n}" for n in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append("mps")
    return InstalledMethods(registry(), devices)


def _open_libraries() -> None:
    """Open the shared libraries of torch without blocking other threads.

    Python holds the global interpreter lock while it opens an extension module, and those of
    torch take about half a second, during which the window would freeze. `dlopen` called as a
    foreign function releases the lock, and the import that follows finds the libraries open.
    """
    if "torch" in sys.modules or sys.platform == "win32":
        return
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return
    suffix = ".dylib" if sys.platform == "darwin" else ".so"
    opener = ctypes.CDLL(None).dlopen
    opener.argtypes = [ctypes.c_char_p, ctypes.c_int]
    opener.restype = ctypes.c_void_p
    for name in _LIBRARIES:
        path = Path(spec.origin).parent / "lib" / f"{name}{suffix}"
        if path.is_file():
            opener(str(path).encode(), 2)  # RTLD_NOW; the import reports any failure.
