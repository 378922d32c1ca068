"""What an estimator chose by evidence: from the estimate to report, journal and regions."""

import json

import numpy as np
import pytest
from engine_stages import Box

from unblur.engine import deblur
from unblur.engine.job import DeblurJob, SizeLimits
from unblur.engine.kernels.estimate import find_kernels
from unblur.model.context import Context
from unblur.model.image import Image
from unblur.model.kernel import Kernel, KernelField
from unblur.model.run_report import Report
from unblur.model.stages import Estimate
from unblur.report.description import facts, rows
from unblur.runs.journal import Journal

RNG = np.random.default_rng(8)
TEXT, NATURAL = {"text": "65 % of paper"}, {"natural": "no lights"}


class Chooser(Box):
    """A box of 3 pixels, of the choices in turn that the test gives; outside of windows a field."""

    name = "chooser"
    summary = "A box, with choices."
    region = 64
    choices = []
    is_for_windows = False

    def estimate(self, blurred, context, mask=None):
        given = Chooser.choices
        chosen = given.pop(0) if len(given) > 1 else given[0]
        kernel = Kernel(np.full((3, 3), 1 / 9))
        if self.is_for_windows:
            return Estimate.of(kernel, choices=chosen)
        field = KernelField(((kernel, kernel),), (10.0,), (5.0, 15.0))
        return Estimate(field, choices=chosen)

    def prepare_for_windows(self):
        prepared = type(self)(self.params)
        prepared.is_for_windows = True
        return prepared


@pytest.fixture(autouse=True)
def chooser(stages):
    """Register the estimator; the last choices of the list are those of all further calls."""
    stages.stages["kernel", "chooser"] = Chooser
    Chooser.choices = [TEXT]
    return Chooser


BLIND = ("kernel:chooser", "deconvolve:sharpen")


def test_they_are_in_the_report_and_on_its_page(pipeline):
    result = deblur(RNG.random((20, 20)), pipeline(*BLIND))
    assert result.report.kernel.choices == TEXT
    content = json.loads(result.report.to_json())
    assert dict(facts(content))["chosen"] == "text"
    assert dict(rows(content))["kernel, chosen"] == "text (65 % of paper)"
    del content["kernel"]["choices"]
    assert Report.model_validate(content).kernel.choices == {}


def test_windows_of_a_large_image_are_counted_and_have_one_kernel_each(pipeline, chooser):
    chooser.choices = [TEXT, NATURAL, TEXT]
    image = Image(RNG.random((256, 256)).astype(np.float32), "YX")
    limits = SizeLimits(whole_kernel=10_000)
    job = DeblurJob.of(image, pipeline(*BLIND), None, Context(), limits=limits)
    assert find_kernels(job).choices == {"text": "2 of 3 regions", "natural": "1 of 3 regions"}


def test_local_kernels_are_counted(pipeline, chooser):
    chooser.choices = [TEXT, NATURAL]
    found = deblur(RNG.random((64, 128)), pipeline(*BLIND, kernel="local")).report.kernel
    assert found.choices == {"text": "1 of 2 regions", "natural": "1 of 2 regions"}


def test_a_journal_stores_them(tmp_path, box):
    with Journal(tmp_path / "journal", tmp_path / "out.zarr") as journal:
        journal.save_kernels(KernelField.single(Kernel(box)), "here", None, TEXT)
        stored = journal.kernels()
    assert stored is not None
    assert stored[1:] == ("here", None, TEXT)
