"""Make sdeconv and deepinv importable where torchvision's compiled operators do not fit torch.

torchvision's wheel is built for CUDA. Beside a torch without it, the operators are missing, and
importing torchvision fails. No benchmark calls them, so declaring their names suffices.
"""

from __future__ import annotations

import re
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

_declared: list[object] = []


def declare_operators() -> None:
    """Declare the names of torchvision's operators where it is installed without them."""
    spec = find_spec("torchvision")
    if spec is None or spec.origin is None or _declared:
        return
    try:
        import_module("torchvision")
    except RuntimeError:
        from torch.library import Library

        source = Path(spec.origin).with_name("_meta_registrations.py").read_text("utf-8")
        library = Library("torchvision", "DEF")
        for operator in set(re.findall(r'register_fake\("torchvision::(\w+)"', source)):
            library.define(f"{operator}() -> ()")
        _declared.append(library)  # the names last as long as it does
        for loaded in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            del sys.modules[loaded]
