"""The recommended blind estimator: kind of image, and of blur, by evidence."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, Self

from pydantic import Field
from torch import Tensor

from unblur.accel.malloc import no_malloc_trim
from unblur.accel.parallel import one_thread
from unblur.model import stages
from unblur.model.context import Context
from unblur.model.kernel import KernelField, check_kernel_size
from unblur.model.params import KernelSize
from unblur.model.stages import Estimate
from unblur.numerics.pyramid import odd
from unblur_classic.camera_shake.estimator import CameraShake
from unblur_classic.map.estimator import MapEstimator
from unblur_classic.map.kernel_size import estimate_kernel_size
from unblur_classic.map.preprocessing import EstimationInput, preprocess, unclipped_pixels
from unblur_classic.map.scoring import KernelScorer
from unblur_classic.map.search.kernel_search import FoundKernel, search_kernel
from unblur_classic.photograph.image_content import (
    Content,
    measure_lights,
    measure_tones,
)
from unblur_classic.photograph.variation import gain_of_field, measure_variation
from unblur_classic.priors.two_tone import TwoTone

MIN_GAIN = 0.02
"""Smallest logarithm of the gain in normalised sparsity at which the kernels of a moving camera
replace the one kernel, dimensionless."""
MAX_CAMERA_SIZE = 99
"""Largest extent of the kernels of a moving camera that are estimated, in pixels."""
STARTS_CONFIDENCE = 0.7
"""Confidence in the kernel of a page below which further starts are tried, dimensionless.

Of the cases in `benchmarks/results/confidence.json` 9 of the 28 below it gained less than 0.5 dB,
and 7 of the 180 above.
"""
MIN_MOTION_CONFIDENCE = 0.2
"""Smallest confidence in the one kernel at which a rotation of the camera is tried, dimensionless.

Below it the kernels of its parts are no evidence: 3 of the 7 cases there gained less than
0.5 dB.
"""
TEXT_PARAMS = {
    "ridge": 1.0,
    "refinements": 4,
    "threshold": 0.07,
    "min_component_mass": 0.15,
    "whiten": False,
    "weight_factors": (0.7, 1.0, 1.4, 2.0, 2.8),
    "n_starts": 3,
    "restarts": 2,
    "priors": (
        {"prior": "l0-gradient", "weight": 1e-2},
        {"prior": "two-tone", "weight": 1e-2},
    ),
}
"""Params of `map` for a page whose kernel the search did not find, as in the pipeline `text`."""


class Photograph(stages.KernelEstimator):
    """Kernel of a shaken or defocused photograph, whatever it shows.

    It measures what the image shows, runs `map` as that requires, and replaces its one kernel by
    those of a camera that rotated where this makes the image sharper. It assumes edges in several
    directions and, apart from such a rotation, one kernel for the whole image.

    Parameters
    ----------
    params : Params or mapping, optional
        See `Photograph.Params`.

    Notes
    -----
    The image shows lights at night if a large part of it is dark and a small one clipped, or black
    beside bright parts (`image_content.Lights`). It is a page of text if the image that the search
    restores has a uniform background (`image_content.MainTone`), and else a natural scene.

    The search of `map` contains hypotheses for pages of text, and its kernel is refined in the same
    way for all. Only for a page of which no two tones are restored, at a confidence below 0.7, the
    starts of the pipeline `text` are tried too, and the kernel that restores the better tones is
    kept.

    The alternation of the search is continued in nine overlapping parts of the image. If the
    kernels found there differ, and each is predicted better by a rotating camera that is fitted to
    the others than by their mean, `camera-shake` is run, and its kernels are kept if they make the
    quarters sharper (`variation`). The confidence is that of the one kernel.

    What was chosen is in the report (`kernel.choices`), with the evidence.

    Examples
    --------
    >>> from unblur.model.context import Context
    >>> from unblur.testing import gaussian, synthetic_scene
    >>> given = synthetic_scene((96, 96), gaussian((9, 9), 1.5))
    >>> estimate = Photograph(size=9).estimate(given.blurred, Context())
    >>> list(estimate.choices)
    ['natural', 'one kernel']

    References
    ----------
    See `MapEstimator` and `CameraShake`.
    """

    name = "photograph"
    summary = "MAP as the image requires: natural scene, text or night, one kernel or a rotation."
    cites = MapEstimator.cites

    region = CameraShake.region

    class Params(stages.Params):
        """Settings of the estimator."""

        size: KernelSize = Field(
            "auto",
            description="Extent of the kernel in pixels, 3 to 199, which must hold all of the "
            "blur; auto searches for it. It is at most half the image.",
        )
        content: Literal["auto", "natural", "text", "night"] = Field(
            "auto", description="What the image shows; auto measures it."
        )
        motion: Literal["auto", "one-kernel", "camera-shake"] = Field(
            "auto",
            description="One kernel for the whole image, or the kernels of a camera that shifts "
            "and rotates; auto takes those where they make the image sharper.",
        )

    def estimate(self, blurred: Tensor, context: Context, mask: Tensor | None = None) -> Estimate:
        """Return the kernel, or the kernels of a rotating camera; see `KernelEstimator`."""
        p = self.params
        with one_thread():
            lights = measure_lights(blurred, context, mask)
            is_night = lights.is_night if p.content == "auto" else p.content == "night"
            given = preprocess(blurred, context, unclipped_pixels(blurred, context, mask))
        found = self._search(given, context)
        content, evidence = (
            ("night", str(lights)) if is_night else self._content(given, found, context)
        )
        estimate = self._one_kernel(content, found, given, context)
        estimate = replace(estimate, choices={content: evidence})
        return self._with_motion(estimate, found, given, context)

    def prepare_for_windows(self) -> Self:
        """Return the estimator of one kernel; see `KernelEstimator`."""
        return type(self)({**self.params.model_dump(), "motion": "one-kernel"})

    def kernel_size(self, blurred: Tensor, context: Context) -> int:
        """Return the estimated extent of the kernel; see `KernelEstimator.kernel_size`."""
        return estimate_kernel_size(blurred, context)

    def _search(self, given: EstimationInput, context: Context) -> FoundKernel:
        size = self.params.size
        if size != "auto":
            check_kernel_size(size, given.y.shape)
        with no_malloc_trim():
            return search_kernel(given, context, None if size == "auto" else size)

    def _content(
        self, given: EstimationInput, found: FoundKernel, context: Context
    ) -> tuple[Content, str]:
        """Return what an image by day shows, and the evidence in words."""
        if self.params.content != "auto":
            return self.params.content, "as stated"
        with one_thread():
            tones = measure_tones(given, found, context.tone_curve)
        return "text" if tones.is_page else "natural", str(tones)

    def _one_kernel(
        self, content: Content, found: FoundKernel, given: EstimationInput, context: Context
    ) -> Estimate:
        """Return the kernel that follows from a search; for a page, of several starts if needed."""
        estimate = MapEstimator(size=self.params.size).complete(found, given, context)
        if content != "text" or estimate.confidence >= STARTS_CONFIDENCE:
            return estimate
        scorer = KernelScorer(given.y, given.valid, context, [TwoTone()])
        with one_thread():
            score = scorer(estimate.kernel.tensor(device=given.y.device))
        if score <= scorer.stop_score:
            return estimate
        starts = MapEstimator(TEXT_PARAMS, size=self.params.size).complete(found, given, context)
        with one_thread():
            is_better = scorer(starts.kernel.tensor(device=given.y.device)) < score
        return starts if is_better else estimate

    def _with_motion(
        self,
        estimate: Estimate,
        found: FoundKernel,
        given: EstimationInput,
        context: Context,
    ) -> Estimate:
        """Return the estimate, with the kernels of a rotating camera where these are better."""
        motion = self.params.motion
        if motion == "one-kernel":
            return _chosen(estimate, "one kernel", "as stated")
        if motion == "auto":
            if (estimate.confidence or 0.0) < MIN_MOTION_CONFIDENCE:
                doubt = "its confidence is too low to compare parts of the image"
                return _chosen(estimate, "one kernel", doubt)
            with no_malloc_trim():
                variation = measure_variation(given, found, context)
            if variation is None:
                return _chosen(estimate, "one kernel", "its parts are too small to compare")
            differ = str(variation)
            if not variation.is_clear:
                return _chosen(estimate, "one kernel", differ)
        with one_thread():
            field = self._camera_field(estimate, given, context)
            if motion == "camera-shake":
                return _chosen(replace(estimate, field=field), "camera shake", "as stated")
            kernel = estimate.kernel.tensor(device=given.y.device)
            gain = gain_of_field(given, field, kernel)
        if gain < MIN_GAIN:
            evidence = f"{differ}, and with its kernels the quarters are {gain:+.1%} sharper"
            return _chosen(estimate, "one kernel", evidence)
        evidence = f"the quarters are {gain:+.1%} sharper than with one kernel"
        return _chosen(replace(estimate, field=field), "camera shake", evidence)

    def _camera_field(
        self, estimate: Estimate, given: EstimationInput, context: Context
    ) -> KernelField:
        """Return the kernels of a camera that shifts and rotates, of the extent of the one."""
        size = self.params.size
        if size == "auto":
            size = odd(max(estimate.kernel.cropped().shape))
        stage = CameraShake(size=min(max(size, 3), MAX_CAMERA_SIZE))
        return stage.estimate(given.y[None], context.with_(noise=given.noise), given.valid).field


def _chosen(estimate: Estimate, name: str, evidence: str) -> Estimate:
    """Return an estimate with one more choice."""
    return replace(estimate, choices={**estimate.choices, name: evidence})
