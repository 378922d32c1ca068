"""Gradient energy, textured windows and spans, against loops."""

import numpy as np
import pytest
import torch

from unblur.numerics.regions import gradient_energy, most_textured_windows, spans


def test_gradient_energy_is_the_sum_of_squared_differences():
    x = torch.rand(3, 5, 6, generator=torch.Generator().manual_seed(0)).double()
    a = x.numpy()
    expected = np.diff(a, axis=1)[:, :, :-1] ** 2 + np.diff(a, axis=2)[:, :-1] ** 2
    np.testing.assert_allclose(gradient_energy(x), expected)


def test_the_best_window_has_the_largest_sum_of_all_candidates():
    energy = torch.rand(40, 50, generator=torch.Generator().manual_seed(1))
    (rows, columns), *rest = most_textured_windows(energy, (8, 10), (2, 5))
    assert not rest
    sums = {
        (r, c): float(energy[r : r + 8, c : c + 10].sum())
        for r in range(0, 33, 2)
        for c in range(0, 41, 5)
    }
    assert (rows.start, columns.start) == max(sums, key=sums.get)
    assert (rows.stop - rows.start, columns.stop - columns.start) == (8, 10)


def test_further_windows_do_not_overlap():
    energy = torch.rand(60, 60, generator=torch.Generator().manual_seed(2))
    found = most_textured_windows(energy, (12, 12), (6, 6), count=9)
    assert len(found) > 4
    covered = torch.zeros(60, 60)
    for rows, columns in found:
        covered[rows, columns] += 1
    assert covered.max() == 1
    scores = [float(energy[window].sum()) for window in found]
    assert scores == sorted(scores, reverse=True)


def test_no_more_windows_than_fit():
    assert len(most_textured_windows(torch.ones(10, 10), (10, 10), (5, 5), count=4)) == 1


@pytest.mark.parametrize(("extent", "size", "count"), [(100, 30, 5), (7, 7, 1), (101, 40, 3)])
def test_spans_reach_from_end_to_end(extent, size, count):
    found = spans(extent, size, count)
    assert len(found) == count
    assert (found[0].start, found[-1].stop) == (0, extent)
    assert all(span.stop - span.start == size for span in found)
    steps = np.diff([span.start for span in found])
    assert steps.size == 0 or steps.max() - steps.min() <= 1
