"""Many images in one go: failures listed, decisions frozen."""

import json

import numpy as np
import pytest
from engine_stages import Box, Sharpen

from unblur.engine import Item, deblur, deblur_batch
from unblur.errors import Cancelled

RNG = np.random.default_rng(5)


class Deciding(Sharpen):
    """As `sharpen`, but decides something from the image."""

    name = "deciding"
    summary = "Sharpen, multiplied by what the image decides."
    factor = None

    def deconvolve(self, blurred, kernel, context, mask=None):
        factor = self.factor or float(blurred.max())
        return super().deconvolve(blurred, kernel, context, mask) * factor

    def calibrate(self, blurred, kernel, context, mask=None):
        other = Deciding(self.params)
        other.factor = float(blurred.max())
        return other


@pytest.fixture(autouse=True)
def deciding(stages):
    stages.stages["deconvolve", "deciding"] = Deciding


def items(images, written):
    def reader(image):
        def read():
            if isinstance(image, Exception):
                raise image
            return image

        return read

    def writer(name):
        return lambda result: written.update({name: result})

    return [Item(n, reader(image), writer(n)) for n, image in images.items()]


def test_failures_are_listed_and_the_others_done(pipeline, box):
    images = {
        "a": RNG.random((20, 20)),
        "b": OSError("gone"),
        "c": np.full((9, 9), np.nan),
        "d": RNG.random((20, 22)),
    }
    written = {}
    summary = deblur_batch(items(images, written), pipeline("deconvolve:sharpen"), box)
    assert set(written) == set(summary.done) == {"a", "d"}
    assert summary.failed["b"] == "OSError: gone"
    assert "NaN" in summary.failed["c"]
    content = json.loads(summary.to_json())
    assert set(content["failed"]) == {"b", "c"}
    assert content["done"]["a"]["seconds"] > 0
    np.testing.assert_array_equal(
        written["d"].image, deblur(images["d"], pipeline("deconvolve:sharpen"), box).image
    )


def test_each_image_decides_for_itself_or_the_first_for_all(pipeline):
    images = {"dark": 0.5 * RNG.random((20, 20)), "bright": RNG.random((20, 20))}
    known = pipeline("kernel:box", "deconvolve:deciding")
    alone, together = {}, {}
    deblur_batch(items(images, alone), known)
    assert len(Box.seen) == 2
    Box.seen.clear()
    deblur_batch(items(images, together), known, frozen=True)
    assert len(Box.seen) == 1
    assert together["bright"].report.kernel.origin == "frozen on the array"
    np.testing.assert_allclose(together["dark"].image, alone["dark"].image, atol=1e-6)
    ratio = images["dark"].max() / images["bright"].max()
    np.testing.assert_allclose(
        together["bright"].image, ratio * alone["bright"].image, rtol=1e-4, atol=1e-6
    )


def test_cancelling_a_batch(pipeline, box):
    written = {}
    images = {name: RNG.random((20, 20)) for name in "abc"}
    with pytest.raises(Cancelled):
        deblur_batch(
            items(images, written),
            pipeline("deconvolve:sharpen"),
            box,
            is_cancelled=lambda: len(written) >= 1,
        )
    assert set(written) == {"a"}
