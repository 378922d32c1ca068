"""The windows of an image that the estimator uses."""

import itertools

import numpy as np
import pytest
import torch

from unblur.model.context import Context
from unblur.numerics.metrics import kernel_similarity
from unblur.testing import lopsided, synthetic_scene
from unblur_schuler.coarse_to_fine import accumulate_spectra, estimate_coarse_to_fine
from unblur_schuler.stage import Schuler
from unblur_schuler.weights import load_network
from unblur_schuler.windows import AllWindows, WindowSelection, stack_windows

LOW_NOISE = Context(noise=0.005)


@pytest.fixture(scope="module")
def shaken():
    """A wide scene of boxes, blurred by one kernel."""
    return synthetic_scene((320, 324), lopsided((11, 11)), noise=0.005)


def test_all_windows_cover_the_image_and_overlap():
    covered = torch.zeros(101, 31)
    found = AllWindows(tile=32, overlap=8).windows(covered, 5)
    extents = set()
    for rows, columns in found:
        covered[rows, columns] += 1
        extents.add((rows.stop - rows.start, columns.stop - columns.start))
    assert covered.min() >= 1
    assert extents == {(32, 31)}
    starts = sorted({rows.start for rows, _ in found})
    assert max(np.diff(starts)) <= 24


def test_the_selected_window_is_where_the_edges_are():
    y = torch.zeros(1, 1, 600, 700)
    y[..., 300:400, 500:620] = torch.rand(100, 120, generator=torch.Generator().manual_seed(0))
    ((rows, columns),) = WindowSelection(1, 10).windows(y, 13)
    assert rows.stop - rows.start == columns.stop - columns.start == 130
    assert rows.start <= 330
    assert rows.stop >= 370
    assert columns.start <= 530
    assert columns.stop >= 590


def test_windows_do_not_overlap():
    y = torch.rand(1, 1, 640, 610, generator=torch.Generator().manual_seed(1))
    found = WindowSelection(9, 5).windows(y, 9)
    assert 1 < len(found) <= 9
    for (rows, columns), (down, across) in itertools.combinations(found, 2):
        apart = rows.stop <= down.start or down.stop <= rows.start
        assert apart or columns.stop <= across.start or across.stop <= columns.start


def test_all_windows_of_a_small_image_are_used():
    small, long = torch.rand(1, 1, 290, 300), torch.rand(1, 1, 1200, 90)
    larger = torch.rand(1, 1, 500, 500)
    assert WindowSelection(1, 5).windows(small, 9) == AllWindows().windows(small, 9)
    assert WindowSelection(3, 30).windows(larger, 9) == AllWindows().windows(larger, 9)
    for rows, columns in WindowSelection(2, 5).windows(long, 9):
        assert rows.stop - rows.start in (90, 128, 324)
        assert columns.stop - columns.start == 90


def test_spectra_of_a_batch_of_windows_are_the_sum_of_those_of_each(shaken):
    y = shaken.blurred[None]
    parts = WindowSelection(5, 5).windows(y, 11)

    def features(tile):
        return tile, tile.roll(1, -1)

    together = accumulate_spectra(y, parts, features)
    apart = [accumulate_spectra(y, [part], features) for part in parts]
    assert stack_windows(y, parts).shape == (len(parts), 1, 128, 128)
    assert together.power.shape[0] == 1
    torch.testing.assert_close(together.power, sum(s.power for s in apart))
    torch.testing.assert_close(together.cross, sum(s.cross for s in apart))


def test_textured_windows_give_as_good_a_kernel_as_all(shaken):
    for selection in ("textured", "all"):
        stage = Schuler(size=11, windows=selection, refinements=4)
        found = stage.estimate(shaken.blurred, LOW_NOISE).kernel
        assert kernel_similarity(found, shaken.kernel) > 0.85


def test_the_kernel_depends_little_on_the_extent_of_the_windows(shaken):
    network, y = load_network("deep"), shaken.blurred[None]
    noise = torch.full((1,), 0.005)
    small = AllWindows(tile=210)
    assert len(small.windows(y, 11)) > len(AllWindows().windows(y, 11))
    with torch.no_grad():
        tiled, whole = (
            estimate_coarse_to_fine(network, y, 11, noise, selection=selection)[0]
            for selection in (small, AllWindows())
        )
    assert kernel_similarity(tiled, whole) > 0.9


@pytest.mark.parametrize(("extent", "used"), [(100, {1}), (320, {2})])
def test_a_small_image_is_estimated_on_one_thread(shaken, extent, used):
    counts, own = set(), torch.get_num_threads()
    context = Context(noise=0.005, on_progress=lambda _: counts.add(torch.get_num_threads()))
    torch.set_num_threads(2)
    try:
        Schuler(size=5, refinements=1).estimate(shaken.blurred[..., :extent, :extent], context)
    finally:
        torch.set_num_threads(own)
    assert counts == used
