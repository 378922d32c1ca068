"""Running pipelines on images: scaling, masks, planes, tiles, memory, provenance."""

from unblur.engine.batch import Item, Summary, deblur_batch
from unblur.engine.chain import Chain, run_steps
from unblur.engine.deblurring import deblur
from unblur.engine.forecast import plan
from unblur.engine.freezing import Frozen, freeze
from unblur.engine.planning import Plan
from unblur.engine.provenance import Report
from unblur.engine.result import Result

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
