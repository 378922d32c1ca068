"""The account of a finished run, put together."""

from __future__ import annotations

from unblur.engine.job import DeblurJob
from unblur.engine.record import report as provenance
from unblur.engine.record.report import Report
from unblur.engine.record.runlog import Outcome


def make_report(request: DeblurJob, outcome: Outcome, started: str, seconds: float) -> Report:
    """Return the report of what `outcome` gathered; `seconds` is the time of the whole run."""
    scale, masking, estimate = request.scale, request.masking, outcome.estimate
    return Report(
        pipeline=request.pipeline.model_dump(mode="json", exclude_defaults=True),
        steps=tuple(
            provenance.StepRecord(
                kind=stage.kind,
                name=stage.name,
                params=stage.params.model_dump(mode="json"),
                seconds=spent,
            )
            for stage, spent in zip(request.stages, outcome.seconds, strict=True)
        ),
        seed=request.context.seed,
        device=request.context.device,
        noise=request.context.noise,
        input=provenance.describe_input(request.image),
        scale=provenance.ScaleRecord(black=scale.black, white=scale.white),
        mask=provenance.MaskRecord(
            nonfinite=outcome.nonfinite,
            saturated_share=masking.share,
            saturated_masked=masking.saturation_level is not None,
        ),
        kernel=None
        if estimate is None
        else provenance.describe_kernel(estimate.field, outcome.origin, outcome.where),
        tiles=outcome.tiles,
        versions=provenance.versions(),
        warnings=(*request.pipeline.notes, *outcome.warnings),
        failures=tuple(outcome.failures),
        started=started,
        seconds=seconds,
        peak_memory=provenance.peak_memory(request.context.device),
    )
