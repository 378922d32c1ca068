"""Checks of what the methods of a stage return; a fault is that of the stage's plugin."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import TYPE_CHECKING, Any, TypeVar

from unblur.errors import PluginError
from unblur.model.kernel import KernelField
from unblur.model.stages import Estimate, KernelEstimator, Stage

if TYPE_CHECKING:
    from torch import Tensor

S = TypeVar("S", bound=Stage)


def check_tensor(made: object, stage: Stage, method: str) -> Tensor:
    """Return `made`; raise `PluginError` unless it is a tensor."""
    from torch import Tensor

    if not isinstance(made, Tensor):
        raise _fault(stage, "a torch tensor", type(made).__name__, method)
    return made


def check_estimate(made: object, stage: KernelEstimator, method: str, ndim: int) -> Estimate:
    """Return `made`; raise `PluginError` unless it is an estimate with a kernel of `ndim` axes."""
    if not isinstance(made, Estimate):
        what = "an Estimate, e.g. Estimate.of(kernel)"
        raise _fault(stage, what, type(made).__name__, method)
    if not isinstance(made.field, KernelField):
        raise _fault(stage, "an Estimate of a KernelField", type(made.field).__name__, method)
    if isinstance(made.notes, str):
        what = "an Estimate that states its notes as a tuple of sentences"
        raise _fault(stage, what, "a str", method)
    found = made.field.kernels[0][0].ndim
    if found != ndim:
        raise _fault(stage, f"a {ndim}-D kernel", f"a {found}-D one", method)
    return made


def check_known_kernel(made: object, stage: KernelEstimator) -> KernelField | None:
    """Return `made`; raise `PluginError` unless it is a field of kernels or None."""
    if made is not None and not isinstance(made, KernelField):
        raise _fault(stage, "a KernelField or None", type(made).__name__, "known_kernel")
    return made


def check_copy(made: object, stage: S, method: str) -> S:
    """Return `made`; raise `PluginError` unless it is a stage of the same kind."""
    if not isinstance(made, Stage) or made.kind != stage.kind:
        raise _fault(stage, "a copy of the stage", type(made).__name__, method)
    return made  # type: ignore[return-value]


def prepare_for_windows(stages: Sequence[Stage]) -> list[Stage]:
    """Return the stages with the kernel step as it runs on windows of a larger image."""
    return [
        check_copy(stage.prepare_for_windows(), stage, "prepare_for_windows")
        if isinstance(stage, KernelEstimator)
        else stage
        for stage in stages
    ]


def check_halo(made: Any, stage: Stage, ndim: int, method: str = "halo") -> tuple[int, ...]:
    """Return a halo as a tuple of int; raise `PluginError` unless it has `ndim` extents."""
    try:
        halo = tuple(index(extent) for extent in made)
    except TypeError:
        halo = ()
    if len(halo) != ndim or min(halo) < 0:
        what = f"a halo of {ndim} whole numbers of pixels, 0 or more"
        raise _fault(stage, what, repr(made), method)
    return halo


def _fault(stage: Stage, expected: str, found: str, method: str) -> PluginError:
    """Return the error of a stage of which a method returned something else than it must."""
    from unblur.plugins.faults import fault_of

    return PluginError(
        f"{stage.kind} '{stage.name}' must return {expected}, but returned {found} from {method}; "
        f"{fault_of(type(stage))}."
    )
