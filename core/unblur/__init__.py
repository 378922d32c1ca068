"""Image deblurring by chains of plugins, from one photograph to images larger than memory.

Nothing heavy is imported until it is used: `import unblur` costs no torch.

>>> import unblur
>>> unblur.Kernel.delta().shape
(1, 1)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from unblur import old_names

if TYPE_CHECKING:
    from unblur.engine import Result as Result
    from unblur.engine import deblur as deblur
    from unblur.engine import plan as plan
    from unblur.errors import UnblurError as UnblurError
    from unblur.io import read_image as read_image
    from unblur.io import read_kernel as read_kernel
    from unblur.io import write_image as write_image
    from unblur.io import write_kernel as write_kernel
    from unblur.model.context import Context as Context
    from unblur.model.context import Progress as Progress
    from unblur.model.formats import Reader as Reader
    from unblur.model.formats import Writer as Writer
    from unblur.model.image import Image as Image
    from unblur.model.kernel import Kernel as Kernel
    from unblur.model.kernel import KernelField as KernelField
    from unblur.model.params import Params as Params
    from unblur.model.stages import Deconvolver as Deconvolver
    from unblur.model.stages import Estimate as Estimate
    from unblur.model.stages import KernelEstimator as KernelEstimator
    from unblur.model.stages import Postprocessor as Postprocessor
    from unblur.model.stages import Prior as Prior
    from unblur.model.stages import Stage as Stage
    from unblur.pipeline import Pipeline as Pipeline
    from unblur.plugins.manager import plugin_manager as plugin_manager
    from unblur.plugins.manager import registry as registry
    from unblur.plugins.markers import hook as hook

__version__ = "0.1.0"

_HOMES = {
    "engine": ("Result", "deblur", "plan"),
    "errors": ("UnblurError",),
    "io": ("read_image", "read_kernel", "write_image", "write_kernel"),
    "model.context": ("Context", "Progress"),
    "model.formats": ("Reader", "Writer"),
    "model.image": ("Image",),
    "model.kernel": ("Kernel", "KernelField"),
    "model.params": ("Params",),
    "pipeline": ("Pipeline",),
    "plugins.manager": ("plugin_manager", "registry"),
    "plugins.markers": ("hook",),
    "model.stages": (
        "Deconvolver",
        "Estimate",
        "KernelEstimator",
        "Postprocessor",
        "Prior",
        "Stage",
    ),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'unblur' has no attribute '{name}'")
    value = getattr(import_module(f"unblur.{_HOME_OF[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])


old_names.install()
