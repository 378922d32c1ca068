"""Names of the previous release that stay readable for one more, each beside its successor.

This is the one place where an old public name is written. A use of it works and warns with a
`DeprecationWarning` that gives the new name; the rows go with the next release.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

MODULES = {
    "unblur.allocation": "unblur.accel.malloc",
    "unblur.camera": "unblur.numerics.camera",
    "unblur.clipping": "unblur.numerics.clipping",
    "unblur.colour": "unblur.numerics.colour",
    "unblur.compilation": "unblur.accel.jit",
    "unblur.context": "unblur.model.context",
    "unblur.contrast": "unblur.numerics.contrast",
    "unblur.convolution": "unblur.accel.convolution",
    "unblur.extent": "unblur.engine.kernels.kernel_size",
    "unblur.formats": "unblur.model.formats",
    "unblur.fourier": "unblur.numerics.fourier",
    "unblur.hookspecs": "unblur.plugins.hookspecs",
    "unblur.images": "unblur.model.image",
    "unblur.kernels": "unblur.model.kernel",
    "unblur.markers": "unblur.plugins.markers",
    "unblur.metrics": "unblur.numerics.metrics",
    "unblur.noise": "unblur.numerics.noise",
    "unblur.operators": "unblur.numerics.operators",
    "unblur.precision": "unblur.accel.precision",
    "unblur.pruning": "unblur.numerics.pruning",
    "unblur.psf": "unblur.numerics.psf",
    "unblur.pyramid": "unblur.numerics.pyramid",
    "unblur.solvers": "unblur.numerics.solvers",
    "unblur.stages": "unblur.model.stages",
    "unblur.synthesis": "unblur.numerics.synthesis",
    "unblur.threads": "unblur.accel.threads",
    "unblur.weights": "unblur.plugins.weights",
}
"""Successors of renamed modules; submodules of a renamed package follow it."""


def warn_renamed(old: str, new: str, stacklevel: int = 3) -> None:
    """Warn that `old` is read for one more release, and that `new` is its name now."""
    message = f"'{old}' is now called '{new}'; the old name is read until the next release"
    warnings.warn(message, DeprecationWarning, stacklevel=stacklevel)


class _RenamedModule(Loader):
    """Loader that puts the module with the new name in the place of the old one."""

    def __init__(self, new: str) -> None:
        self.new = new

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        warn_renamed(module.__name__, self.new, stacklevel=6)
        sys.modules[module.__name__] = import_module(self.new)


class RenamedModules(MetaPathFinder):
    """Finder of the modules of `MODULES` under their old names."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return a spec that loads the successor of `fullname`, or None for any other module."""
        head = ".".join(fullname.split(".")[:2])
        if head not in MODULES:
            return None
        return ModuleSpec(fullname, _RenamedModule(MODULES[head] + fullname[len(head) :]))


def install() -> None:
    """Make the modules of `MODULES` importable under their old names.

    The finder comes first: a folder that an update left empty would count as a package.
    """
    if not any(isinstance(finder, RenamedModules) for finder in sys.meta_path):
        sys.meta_path.insert(0, RenamedModules())
