"""Running pipelines on images: normalisation, kernels, planes, tiles, memory, reports."""

from unblur.engine.api import deblur, deblur_batch, plan
from unblur.engine.intake.built_pipeline import BuiltPipeline
from unblur.engine.job import DeblurJob
from unblur.engine.report import Result
from unblur.engine.running.batch import Frozen, Item, Summary, freeze
from unblur.engine.running.one_image import run_job
from unblur.engine.steps.sequence import StepResult, run_steps
from unblur.engine.tiles.planning import Plan
from unblur.model.run_report import Report

__all__ = [
    "BuiltPipeline",
    "DeblurJob",
    "Frozen",
    "Item",
    "Plan",
    "Report",
    "Result",
    "StepResult",
    "Summary",
    "deblur",
    "deblur_batch",
    "freeze",
    "plan",
    "run_job",
    "run_steps",
]
