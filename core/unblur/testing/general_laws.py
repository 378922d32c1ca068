"""Laws of every stage: description, reproducibility, cancellation, masks, unchanged inputs."""

from __future__ import annotations

import re
from unittest import SkipTest

import torch

from unblur.errors import Cancelled, ParamsError
from unblur.model.stages import KINDS, Kind
from unblur.testing.law import Case, Law, with_masked_pixels

IMAGING: tuple[Kind, ...] = ("kernel", "deconvolve", "postprocess")
"""Kinds of stages that take an image."""


def describes_itself(case: Case) -> None:
    """The stage has a name, a one-line summary, a docstring and a description of every param."""
    cls = case.cls
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", cls.name):
        case.broken("needs a name of lower-case words joined by hyphens.")
    if "\n" in cls.summary or not cls.summary.strip():
        case.broken("needs a summary of one line.")
    if not (cls.__doc__ or "").strip():
        case.broken("needs a docstring: model, assumption, example, references.")
    bare = [name for name, param in cls.Params.model_fields.items() if not param.description]
    if bare:
        case.broken(f"has params without a description: {', '.join(bare)}.")


def params_round_trip(case: Case) -> None:
    """Params are unchanged by a round trip through JSON, are frozen, and reject unknown names."""
    params = case.stage().params
    again = case.cls.Params.model_validate_json(params.model_dump_json())
    if again != params:
        case.broken(
            f"has params that change in a round trip through JSON: {params} became {again}."
        )
    if not case.cls.Params.model_config.get("frozen"):
        case.broken("has params that can be changed after construction; derive from `Params`.")
    try:
        case.cls({**case.params, "no_such_param": 1})
    except ParamsError:
        return
    case.broken("accepts an unknown param.")


def same_seed_same_result(case: Case) -> None:
    """Two runs with the same seed agree, independently of the global random state."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        first = case.run()
        torch.manual_seed(2)
        second = case.run()
    case.check_close(
        first, second, 0.0 if case.device == "cpu" else 1e-5, "gives different results for one seed"
    )


def leaves_its_input_alone(case: Case) -> None:
    """A run does not modify the blurred image or the mask."""
    blurred = case.scene.blurred.clone()
    mask = torch.ones(blurred.shape[1:])
    case.run(blurred, mask=mask)
    case.check_close(blurred, case.scene.blurred, 0.0, "modifies its input image")
    case.check_close(mask, torch.ones_like(mask), 0.0, "modifies its mask")


def stops_when_cancelled(case: Case) -> None:
    """The stage raises `Cancelled` if cancellation was requested."""
    try:
        case.run(context=case.context.with_(is_cancelled=lambda: True))
    except Cancelled:
        return
    case.broken(
        "finishes after cancellation was requested; call `context.checkpoint()` in its loop."
    )


def mask_is_respected(case: Case) -> None:
    """The result does not depend on the values of masked pixels."""
    black, mask = with_masked_pixels(case.scene.blurred, 0.0)
    white, _ = with_masked_pixels(case.scene.blurred, 1.0)
    first, second = case.run(black, mask=mask), case.run(white, mask=mask)
    tolerance = 1e-3 if case.cls.kind == "deconvolve" else 1e-2 * float(first.max())
    case.check_close(first, second, tolerance, "depends on masked pixels")


def keeps_its_promise_on_the_gpu(case: Case) -> None:
    """The result on the first GPU equals that on the CPU within the stage's tolerance."""
    if not torch.cuda.is_available():
        raise SkipTest("no CUDA device is available")
    on_cpu, on_gpu = case.run(), case.run(context=case.context.with_(device="cuda"))
    tolerance = getattr(case.cls, "tolerance", 1e-2 * float(on_cpu.max()))
    case.check_close(on_cpu, on_gpu, tolerance, "differs between CPU and GPU")


GENERAL: tuple[Law, ...] = (
    Law(describes_itself, KINDS),
    Law(params_round_trip, KINDS),
    Law(same_seed_same_result, IMAGING),
    Law(leaves_its_input_alone, IMAGING),
    Law(stops_when_cancelled, ("kernel", "deconvolve")),
    Law(mask_is_respected, ("kernel", "deconvolve")),
    Law(keeps_its_promise_on_the_gpu, IMAGING),
)
