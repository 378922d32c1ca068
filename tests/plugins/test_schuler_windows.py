"""Which parts of an image the estimator looks at."""

import itertools

import numpy as np
import pytest
import torch

from unblur.model.context import Context
from unblur.numerics.metrics import kernel_similarity
from unblur.testing import lopsided, synthetic_scene
from unblur_schuler import windows
from unblur_schuler.coarse_to_fine import summed
from unblur_schuler.stage import Schuler
from unblur_schuler.windows import Look, everywhere, stacked

QUIET = Context(noise=0.005)


@pytest.fixture(scope="module")
def shaken():
    """A wide scene of boxes, blurred by one kernel."""
    return synthetic_scene((360, 420), lopsided((11, 11)), noise=0.005)


def test_tiles_cover_the_image_and_overlap(monkeypatch):
    monkeypatch.setattr(windows, "TILE", 32)
    monkeypatch.setattr(windows, "SHARED", 8)
    seen = torch.zeros(101, 31)
    extents = set()
    for rows, columns in everywhere(seen.shape):
        seen[rows, columns] += 1
        extents.add((rows.stop - rows.start, columns.stop - columns.start))
    assert seen.min() >= 1
    assert extents == {(32, 31)}
    starts = sorted({rows.start for rows, _ in everywhere(seen.shape)})
    assert max(np.diff(starts)) <= 24


def test_looks_where_the_edges_are():
    y = torch.zeros(1, 1, 600, 700)
    y[..., 300:400, 500:620] = torch.rand(100, 120, generator=torch.Generator().manual_seed(0))
    ((rows, columns),) = Look(1, 10).windows(y, 13)
    assert rows.stop - rows.start == columns.stop - columns.start == 130
    assert rows.start <= 330
    assert rows.stop >= 370
    assert columns.start <= 530
    assert columns.stop >= 590


def test_windows_do_not_overlap():
    y = torch.rand(1, 1, 640, 610, generator=torch.Generator().manual_seed(1))
    found = Look(9, 5).windows(y, 9)
    assert 1 < len(found) <= 9
    for (rows, columns), (down, across) in itertools.combinations(found, 2):
        apart = rows.stop <= down.start or down.stop <= rows.start
        assert apart or columns.stop <= across.start or across.stop <= columns.start


def test_what_is_small_is_seen_whole():
    small, long = torch.rand(1, 1, 290, 300), torch.rand(1, 1, 1200, 90)
    assert Look(1, 5).windows(small, 9) == everywhere((290, 300))
    assert Look(3, 30).windows(torch.rand(1, 1, 500, 500), 9) == everywhere((500, 500))
    for rows, columns in Look(2, 5).windows(long, 9):
        assert rows.stop - rows.start in (90, 128, 324)
        assert columns.stop - columns.start == 90


def test_windows_done_at_once_sum_to_those_done_one_by_one(shaken):
    y = shaken.blurred[None]
    parts = Look(5, 5).windows(y, 11)

    def features(tile):
        return tile, tile.roll(1, -1)

    together = summed(y, parts, features)
    apart = [summed(y, [part], features) for part in parts]
    assert stacked(y, parts).shape == (len(parts), 1, 128, 128)
    assert together.power.shape[0] == 1
    torch.testing.assert_close(together.power, sum(s.power for s in apart))
    torch.testing.assert_close(together.cross, sum(s.cross for s in apart))


def test_a_part_tells_what_the_whole_tells(shaken):
    for area in ("telling", "whole"):
        found = Schuler(size=11, area=area).estimate(shaken.blurred, QUIET).kernel
        assert kernel_similarity(found, shaken.kernel) > 0.85


def test_tiles_give_what_the_whole_gives(shaken, monkeypatch):
    whole = Schuler(size=11, area="whole")
    one = whole.estimate(shaken.blurred, QUIET).kernel
    monkeypatch.setattr(windows, "TILE", 210)
    assert len(everywhere((360, 420))) > 1
    tiled = whole.estimate(shaken.blurred, QUIET).kernel
    assert kernel_similarity(tiled, one) > 0.9
