"""Running pipelines on images: scaling, masks, planes, tiles, memory, provenance."""

from unblur.engine.api import deblur
from unblur.engine.record.report import Report
from unblur.engine.record.result import Result
from unblur.engine.running.batch import Item, Summary, deblur_batch
from unblur.engine.running.freeze import Frozen, freeze
from unblur.engine.steps.sequence import Chain, run_steps
from unblur.engine.tiles.forecast import plan
from unblur.engine.tiles.planning import Plan

__all__ = [
    "Chain",
    "Frozen",
    "Item",
    "Plan",
    "Report",
    "Result",
    "Summary",
    "deblur",
    "deblur_batch",
    "freeze",
    "plan",
    "run_steps",
]
