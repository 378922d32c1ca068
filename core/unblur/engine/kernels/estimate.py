"""Estimation of an image's kernels: on the whole of it, on textured windows, or part by part."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from math import prod

from unblur.engine.intake.image_statistics import mean_gradient_energy
from unblur.engine.job import DeblurJob
from unblur.engine.kernels.local import local_kernels, window_edge
from unblur.engine.report import RunLog
from unblur.engine.steps.sequence import run_until_kernel
from unblur.engine.tiles.tiling import Tiling, most_textured_windows
from unblur.errors import ImageError, UnblurError, UsageError
from unblur.model.block_layout import name_block
from unblur.model.choices import merge_choices
from unblur.model.confidence import is_low, low_confidence_warning, mean_confidence
from unblur.model.kernel import KernelField
from unblur.model.stages import Estimate, ImageWindow, KernelEstimator
from unblur.numerics.kernel_ops import average_kernels
from unblur.pipeline import RECOMMENDED, Pipeline
from unblur.plugins.returned import check_estimate, prepare_for_windows

WINDOWS = 3
"""Number of windows that are estimated on and averaged, dimensionless."""

EXAMPLE_SIZES = (31, 61)
"""Kernel sizes that are proposed, in pixels; the first that is unlike the present one is taken."""

WINDOW_EDGE, WINDOW_MARGIN = 1024, 128
"""Edge of the windows that together cover an image, and of the margin around each, in pixels."""

MIN_SIZE_RATIO = 1.4
"""Smallest ratio of two kernel sizes that count as unlike, dimensionless."""

ALTERNATIVES = (RECOMMENDED, "text", "low-light")
"""Names of the blind pipelines that are proposed in place of the one that ran."""

FOR_CLIPPED_LIGHTS = "low-light"
"""Name of the pipeline that is proposed only for an image with saturated pixels."""


@dataclass(frozen=True, eq=False)
class KernelResult:
    """The kernels of an image and how they were obtained.

    Attributes
    ----------
    estimate : Estimate, optional
        The kernels and, where the method yields one, the latent image; `None` if there are
        none, or if each block has its own.
    origin : str
        Name of the step that estimated them; "given" or "frozen on" an image otherwise.
    region : str
        Description of the part of the image they were estimated from; "" if they were not.
    log : RunLog
        Times and warnings of the estimation.
    """

    estimate: Estimate | None
    origin: str
    region: str
    log: RunLog

    @property
    def field(self) -> KernelField | None:
        """The kernels."""
        return None if self.estimate is None else self.estimate.field

    @property
    def confidence(self) -> float | None:
        """The confidence of the estimate, in [0, 1]."""
        return None if self.estimate is None else self.estimate.confidence

    @property
    def choices(self) -> Mapping[str, str]:
        """What the estimator chose, each with the evidence for it."""
        return {} if self.estimate is None else self.estimate.choices


def find_kernels(job: DeblurJob) -> KernelResult:
    """Return the kernels of an image: given, or estimated on it.

    There are none where the pipeline has no kernel step, or where each block finds its own
    because the pipeline's image comes out of the kernel step itself. A low confidence is a
    warning of the log.
    """
    found = _given_or_estimated(job)
    found.log.warn(*low_confidence_warnings(job, found.estimate))
    return found


def _given_or_estimated(job: DeblurJob) -> KernelResult:
    log = RunLog.of(job.stages)
    if job.field is not None:
        given = Estimate(job.field, confidence=job.confidence, choices=job.choices)
        return KernelResult(given, job.origin, "", log)
    if not {"kernel", "deconvolve"} <= {stage.kind for stage in job.stages}:
        return KernelResult(None, job.origin, "", log)
    layout, tiles = job.layout, job.pipeline.tiles
    origin = kernel_step(job).name
    if tiles.kernel == "local":
        edge = tiles.size if isinstance(tiles.size, int) else None
        estimate, region = local_kernels(
            layout, job.stages, job.read, job.context, edge, tiles.motion, log.add_seconds
        )
        return KernelResult(estimate, origin, region, log)
    if prod(layout.spatial[-2:]) <= max(job.limits.whole_kernel, window_edge(job.stages) ** 2):
        return _kernel_of_block(job, log)
    return _kernel_of_all_windows(job, log) or _kernel_of_windows(job, log)


def stored_kernels(
    job: DeblurJob,
    field: KernelField,
    region: str,
    confidence: float | None = None,
    choices: Mapping[str, str] | None = None,
) -> KernelResult:
    """Return kernels that an interrupted run estimated."""
    log = RunLog.of(job.stages)
    estimate = Estimate(field, confidence=confidence, choices=choices or {})
    log.warn(*low_confidence_warnings(job, estimate))
    return KernelResult(estimate, kernel_step(job).name, region, log)


def kernel_step(job: DeblurJob) -> KernelEstimator:
    """Return the kernel step of a job, which must have one."""
    return next(stage for stage in job.stages if isinstance(stage, KernelEstimator))


def _kernel_of_block(job: DeblurJob, log: RunLog) -> KernelResult:
    """Run the steps up to the kernel on the block with the most gradient energy."""
    layout = job.layout
    blocks = Tiling(layout, layout.spatial, (0,) * len(layout.spatial))
    best = blocks[0]
    if len(blocks) > 1:
        best = max(blocks, key=lambda block: mean_gradient_energy(*job.read(block)))
    blurred, mask = job.read(best)
    result = run_until_kernel(blurred, job.stages, job.context, mask)
    log.add_steps(result)
    depth = 0 if best.z_slice is None else best.z_slice.start
    name = name_block(layout, (best.t_slice.start, slice(None), depth))
    return KernelResult(result.estimate, kernel_step(job).name, name or "the whole image", log)


def _kernel_of_all_windows(job: DeblurJob, log: RunLog) -> KernelResult | None:
    """Return the kernels of an estimator that reads the whole first plane window by window."""
    step = kernel_step(job)
    if step is not job.stages[0]:
        return None
    layout, depth = job.layout, job.layout.spatial[:-2]
    halo = (*(0 for _ in depth), WINDOW_MARGIN, WINDOW_MARGIN)
    tiling = Tiling(layout, (*depth, WINDOW_EDGE, WINDOW_EDGE), halo)
    tiles = [tiling[number] for number in range(prod(tiling.counts))]
    windows = [ImageWindow(tile.interior, tile.padded, partial(job.read, tile)) for tile in tiles]
    began = time.perf_counter()
    estimate = step.estimate_from_windows(windows, layout.spatial, job.context)
    if estimate is None:
        return None
    check_estimate(estimate, step, "estimate_from_windows", len(layout.spatial))
    log.add_seconds([time.perf_counter() - began])
    return KernelResult(estimate, step.name, f"the whole image, in {len(tiles)} windows", log)


def _kernel_of_windows(job: DeblurJob, log: RunLog) -> KernelResult:
    """Average the kernels of the windows with the most gradient energy.

    A blind kernel may be shifted, so each estimate is moved to agree best with the one that
    agrees best with all; those of low correlation with it are left out and the others averaged,
    and so are their confidences.

    Raises
    ------
    ImageError
        If no window has any texture.
    UsageError
        If the kernel step estimates kernels that vary over an image: those of a window refer to
        its own middle, not to the image's.
    """
    windows = most_textured_windows(job.layout, window_edge(job.stages), job.read, WINDOWS)
    if not windows:
        raise ImageError(
            "no region of the image has any texture, so its blur cannot be estimated; give the "
            "kernel (psf=... or --psf FILE)."
        )
    found, confidences, choices = [], [], []
    stages = prepare_for_windows(job.stages)
    for window in windows:
        blurred, mask = job.read(window)
        result = run_until_kernel(blurred, stages, job.context, mask)
        log.add_seconds(result.seconds)
        assert result.estimate is not None
        if not result.estimate.field.is_uniform:
            raise UsageError(
                f"kernel '{kernel_step(job).name}' finds kernels over a whole image, of which "
                "this one is too large; use kernel map or schuler with --set tiles.kernel=local "
                "--set tiles.motion=camera, or a smaller image."
            )
        found.append(result.estimate.kernel)
        confidences.append(result.estimate.confidence)
        choices.append(result.estimate.choices)
    kernel, used = average_kernels(found)
    places = "; ".join(str(windows[i]).removeprefix("tile ") for i in used)
    region = f"mean over {len(used)} of {len(windows)} regions: {places}"
    estimate = Estimate.of(
        kernel,
        confidence=mean_confidence(confidences[i] for i in used),
        choices=merge_choices(choices[i] for i in used),
    )
    return KernelResult(estimate, kernel_step(job).name, region, log)


def low_confidence_warnings(job: DeblurJob, estimate: Estimate | None) -> list[str]:
    """Return one sentence, with what to try, for an estimate of low confidence; none otherwise."""
    if estimate is None or estimate.confidence is None or not is_low(estimate.confidence):
        return []
    advice = list(_advice(job, max(estimate.field.kernels[0][0].shape)))
    return [low_confidence_warning(estimate.confidence, advice)]


def _advice(job: DeblurJob, found: int) -> Iterator[str]:
    """Yield what may find the blur, as far as it applies; `found` is the kernel's extent."""
    estimator = next((s for s in job.stages if isinstance(s, KernelEstimator)), None)
    if estimator is None:
        return
    size = _other_size(estimator, found, min(job.layout.spatial[-2:]))
    if size is not None:
        yield f"a kernel size near the extent of the streaks (--set kernel.size={size})"
    others = [] if job.layout.volumetric else list(_other_pipelines(job))
    if others:
        yield f"another pipeline ({', '.join(others)})"
    if max(job.layout.spatial[-2:]) > estimator.region:
        yield "a crop with more detail"


def _other_size(estimator: KernelEstimator, found: int, edge: int) -> int | None:
    """Return another kernel size that the estimator, and an image of `edge` pixels, admit."""
    params = dict(estimator.params)
    if "size" not in params:
        return None
    present = params["size"] if isinstance(params["size"], int) else found
    for size in EXAMPLE_SIZES:
        ratio = max(size, present) / min(size, present)
        if ratio >= MIN_SIZE_RATIO and 2 * size <= edge and _admits(estimator, size):
            return size
    return None


def _admits(estimator: KernelEstimator, size: int) -> bool:
    try:
        type(estimator)({**estimator.params.model_dump(), "size": size})
    except UnblurError:
        return False
    return True


def _other_pipelines(job: DeblurJob) -> Iterator[str]:
    """Yield the names of blind pipelines that are installed and did not run."""
    for name in ALTERNATIVES:
        if name == FOR_CLIPPED_LIGHTS and not job.processor.normalization.saturated_share:
            continue
        try:
            other = Pipeline.load(name)
        except UnblurError:
            continue
        if other.summary != job.pipeline.summary:  # which `--set` leaves as it is
            yield name
