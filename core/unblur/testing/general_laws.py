"""Laws of every stage: how it describes itself, that it repeats, stops, and spoils nothing."""

from __future__ import annotations

import re
from unittest import SkipTest

import torch

from unblur.errors import Cancelled, ParamsError
from unblur.model.stages import KINDS, Kind
from unblur.testing.law import Case, Law, damaged

IMAGING: tuple[Kind, ...] = ("kernel", "deconvolve", "postprocess")


def describes_itself(case: Case) -> None:
    """Name, one-line summary, docstring and every param's description are there."""
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
    """Params survive JSON, are frozen, and an unknown one is an error."""
    params = case.stage().params
    again = case.cls.Params.model_validate_json(params.model_dump_json())
    if again != params:
        case.broken(f"has params that change on the way through JSON: {params} became {again}.")
    if not case.cls.Params.model_config.get("frozen"):
        case.broken("has params that can be changed after construction; derive from `Params`.")
    try:
        case.cls({**case.params, "no_such_param": 1})
    except ParamsError:
        return
    case.broken("accepts a param that it does not have.")


def same_seed_same_result(case: Case) -> None:
    """Two runs with one seed agree, whatever the global random state."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        first = case.run()
        torch.manual_seed(2)
        second = case.run()
    case.alike(first, second, 0.0 if case.device == "cpu" else 1e-5, "gives two results")


def leaves_its_input_alone(case: Case) -> None:
    """The blurred image and the mask are the same after the run as before it."""
    blurred = case.scene.blurred.clone()
    mask = torch.ones(blurred.shape[1:])
    case.run(blurred, mask=mask)
    case.alike(blurred, case.scene.blurred, 0.0, "changes the image that it was given")
    case.alike(mask, torch.ones_like(mask), 0.0, "changes the mask that it was given")


def stops_when_cancelled(case: Case) -> None:
    """With the cancel flag up, the stage raises `Cancelled` rather than finishing."""
    try:
        case.run(context=case.context.with_(is_cancelled=lambda: True))
    except Cancelled:
        return
    case.broken("finishes although it was cancelled; call `context.checkpoint()` in its loop.")


def mask_is_respected(case: Case) -> None:
    """What lies under masked pixels does not matter."""
    black, mask = damaged(case.scene.blurred, 0.0)
    white, _ = damaged(case.scene.blurred, 1.0)
    first, second = case.run(black, mask=mask), case.run(white, mask=mask)
    tolerance = 1e-3 if case.cls.kind == "deconvolve" else 1e-2 * float(first.max())
    case.alike(first, second, tolerance, "heeds masked pixels")


def keeps_its_promise_on_the_gpu(case: Case) -> None:
    """The first GPU gives the CPU's result within the stage's tolerance."""
    if not torch.cuda.is_available():
        raise SkipTest("there is no CUDA device here")
    here, there = case.run(), case.run(context=case.context.with_(device="cuda"))
    tolerance = getattr(case.cls, "tolerance", 1e-2 * float(here.max()))
    case.alike(here, there, tolerance, "differs between CPU and GPU")


GENERAL: tuple[Law, ...] = (
    Law(describes_itself, KINDS),
    Law(params_round_trip, KINDS),
    Law(same_seed_same_result, IMAGING),
    Law(leaves_its_input_alone, IMAGING),
    Law(stops_when_cancelled, ("kernel", "deconvolve")),
    Law(mask_is_respected, ("kernel", "deconvolve")),
    Law(keeps_its_promise_on_the_gpu, IMAGING),
)
