"""The memory of the steps on tiles, as it is planned."""

import numpy as np

from unblur.engine.job import DeblurJob
from unblur.engine.tiles.planning import footprint_of
from unblur.model.context import Context
from unblur.model.image import Image
from unblur.model.kernel import Kernel
from unblur.pipeline import Pipeline
from unblur_classic.nonblind.hyper_laplacian import HyperLaplacian

PIXELS = 200 * 200


def footprints(*steps, by_channel, edge=200, kernel=5):
    """Return the memory of each step on a colour image."""
    job = DeblurJob.of(
        Image(np.zeros((3, edge, edge), np.float32), "CYX"),
        Pipeline(summary="Test.", steps=list(steps)),
        Kernel(np.ones((kernel, kernel), np.float32) / kernel**2),
        Context(),
    )
    return footprint_of(job, job.processor, by_channel=by_channel).stages


def test_saturated_pixels_are_part_of_it_where_a_step_solves_for_them(monkeypatch):
    counted = []
    for is_bound in (True, False):
        monkeypatch.setattr(HyperLaplacian, "bounds_saturated", is_bound)
        [found] = footprints({"deconvolve": "hyper-laplacian"}, by_channel=True)
        counted.append(found.counted(PIXELS))
    assert counted[0] > 1.05 * counted[1]


def test_it_grows_with_the_tile_for_a_large_kernel_too():
    """On the smaller tile most pixels are solved for, and the scene is transformed whole."""
    [found] = footprints({"deconvolve": "hyper-laplacian"}, by_channel=True, edge=400, kernel=39)
    assert 40 < found.per_pixel < 80


def test_to_find_the_settings_of_a_step_is_no_part_of_it():
    steps = {"deconvolve": "wiener"}, {"postprocess": "denoise"}
    tiles, whole = (footprints(*steps, by_channel=wanted)[1] for wanted in (True, False))
    assert tiles.counted(PIXELS) < whole.counted(PIXELS)
