"""The confidence of kernels: from the estimator to the report, and the warning of a low one."""

import json

import numpy as np
import pytest
from engine_stages import Box
from pydantic import Field
from test_batch import items
from test_streaming import Run, lazy, stopping_after

from unblur.engine import deblur, deblur_batch
from unblur.engine.job import DeblurJob, SizeLimits
from unblur.engine.kernels.estimate import find_kernels, low_confidence_warnings
from unblur.errors import Cancelled, UnblurError
from unblur.model.context import Context
from unblur.model.image import Image
from unblur.model.kernel import Kernel, KernelField
from unblur.model.run_report import Report
from unblur.model.stages import Estimate, Params
from unblur.pipeline import Pipeline
from unblur.runs.journal import Journal

RNG = np.random.default_rng(8)
NOT_FOUND = "the blur was probably not found, and the result may be no better than the image"


class Sure(Box):
    """A box of 3 pixels, of the confidences in turn that the test gives."""

    name = "sure"
    summary = "A box, with a confidence."
    region = 64
    confidences = []

    class Params(Params):
        size: int | str = Field("auto", description="Extent, of no effect.")

    def estimate(self, blurred, context, mask=None):
        given = Sure.confidences
        confidence = given.pop(0) if len(given) > 1 else given[0]
        return Estimate.of(Kernel(np.full((3, 3), 1 / 9)), blurred * 0.5, confidence=confidence)


@pytest.fixture(autouse=True)
def sure(stages):
    """Register the estimator; the last confidence of the list is that of all further calls."""
    stages.stages["kernel", "sure"] = Sure
    Sure.confidences = [0.93]
    return Sure


BLIND = ("kernel:sure", "deconvolve:sharpen")


def test_the_confidence_is_in_report_and_result(pipeline, sure):
    sure.confidences = [0.87654]
    result = deblur(RNG.random((20, 20)), pipeline(*BLIND))
    assert result.confidence == result.report.kernel.confidence == 0.877
    assert json.loads(result.report.to_json())["kernel"]["confidence"] == 0.877
    assert result.report.warnings == ()


def test_without_a_measure_there_is_no_confidence(pipeline, box):
    image = RNG.random((20, 20))
    assert deblur(image, pipeline("kernel:box", "deconvolve:sharpen")).confidence is None
    assert deblur(image, pipeline(*BLIND), box).confidence is None
    assert deblur(image, pipeline("postprocess:spoil")).confidence is None


def test_a_report_without_the_key_is_read(pipeline):
    content = deblur(RNG.random((20, 20)), pipeline(*BLIND)).report.model_dump(mode="json")
    del content["kernel"]["confidence"]
    assert Report.model_validate(content).confidence is None


def test_the_confidence_is_part_of_the_fingerprint(pipeline, sure):
    image, known = RNG.random((20, 20)), pipeline(*BLIND)
    first, same = (deblur(image, known).report.fingerprint() for _ in range(2))
    sure.confidences = [0.92]
    assert first == same != deblur(image, known).report.fingerprint()


@pytest.mark.parametrize(
    ("confidence", "warned"), [(0.21, True), (0.4994, True), (0.5, False), (1.0, False)]
)
def test_a_low_confidence_is_one_warning(pipeline, sure, confidence, warned):
    sure.confidences = [confidence]
    warnings = deblur(RNG.random((20, 20)), pipeline(*BLIND)).report.warnings
    number = "0.21" if confidence < 0.4 else "0.49"
    assert warnings == ((f"confidence {number}: {NOT_FOUND}.",) if warned else ())


def test_the_warning_proposes_what_applies_to_the_run(sure):
    sure.confidences = [0.219]
    estimate = Sure().estimate(np.zeros((1, 9, 9)), Context())
    image = RNG.integers(0, 200, (70, 150)).astype(np.uint8)

    def proposed(shape, **params):
        steps = [{"kernel": "sure", "params": params}, {"deconvolve": "sharpen"}]
        known = Pipeline(summary="A test.", steps=steps)
        job = DeblurJob.of(Image(image[: shape[0], : shape[1]], "YX"), known, None, Context())
        (sentence,) = low_confidence_warnings(job, estimate)
        start, _, advice = sentence.partition("; try ")
        assert start.rstrip(".") == f"confidence 0.21: {NOT_FOUND}"
        return advice

    crop, size = "a crop with more detail", "a kernel size near the extent of the streaks"
    assert proposed((70, 150)) == f"{size} (--set kernel.size=31) or {crop}."
    assert proposed((64, 64)) == f"{size} (--set kernel.size=31)."
    assert proposed((70, 150), size=31) == f"{crop}."  # a kernel of 61 does not fit
    assert proposed((60, 60)) == ""


def test_regions_of_a_large_image_have_their_mean(pipeline, sure):
    def found(confidences):
        sure.confidences = confidences
        image = Image(RNG.random((256, 256)).astype(np.float32), "YX")
        limits = SizeLimits(whole_kernel=10_000)
        return find_kernels(DeblurJob.of(image, pipeline(*BLIND), None, Context(), limits=limits))

    assert found([0.2, 0.4, 0.9]).confidence == pytest.approx(0.5)
    assert found([0.2, None, 0.9]).confidence is None


@pytest.mark.parametrize("motion", ["free", "camera"])
def test_local_kernels_have_their_mean(pipeline, sure, motion):
    def found(confidences):
        sure.confidences = confidences
        known = pipeline(*BLIND, kernel="local", motion=motion)
        return deblur(RNG.random((64, 128)), known).confidence

    assert found([0.2, 0.6]) == pytest.approx(0.4)
    assert found([None, 0.6]) == pytest.approx(0.6)
    assert found([None]) is None


def test_a_resumed_run_keeps_the_confidence(tmp_path, pipeline, sure):
    sure.confidences = [0.1234567]
    y = RNG.random((200, 200)).astype(np.float32)
    known = pipeline(*BLIND, size=64)
    run = Run(tmp_path, None)
    with pytest.raises(Cancelled):
        run(lazy(y), known, context=stopping_after(3))
    sure.confidences = []
    result = run(lazy(y), known, resume=True)
    assert result.confidence == 0.123
    assert any(NOT_FOUND in sentence for sentence in result.report.warnings)


@pytest.mark.parametrize("confidence", [0.25, None])
def test_a_journal_stores_the_confidence(tmp_path, confidence, box):
    with Journal(tmp_path / "journal", tmp_path / "out.zarr") as journal:
        journal.save_kernels(KernelField.single(Kernel(box)), "here", confidence)
        stored = journal.kernels()
    assert stored is not None
    assert stored[1:3] == ("here", confidence)


def test_a_frozen_kernel_keeps_the_confidence(pipeline, sure):
    sure.confidences = [0.3]
    written = {}
    images = {name: RNG.random((20, 20)) for name in "ab"}
    summary = deblur_batch(items(images, written), pipeline(*BLIND), frozen=True)
    assert [written[name].confidence for name in "ab"] == [0.3, 0.3]
    assert "frozen on" in written["b"].report.kernel.origin
    assert any(NOT_FOUND in sentence for sentence in written["b"].report.warnings)
    assert json.loads(summary.to_json())["done"]["b"]["confidence"] == 0.3


def test_planes_of_low_confidence_are_named(pipeline, sure):
    sure.confidences = [0.9, 0.3, None]
    result = deblur(RNG.random((3, 20, 20)), pipeline("kernel:sure"), axes="TYX")
    assert result.confidence == 0.9
    (sentence,) = result.report.warnings
    assert sentence.startswith("confidence below 0.5 for 1 of 3 planes")
    assert sentence.endswith("not found: time 1.")


def test_a_confidence_out_of_range_is_refused(pipeline, sure):
    sure.confidences = [1.5]
    with pytest.raises(UnblurError, match=r"in \[0, 1\] or None, got 1\.5"):
        deblur(RNG.random((20, 20)), pipeline(*BLIND))
