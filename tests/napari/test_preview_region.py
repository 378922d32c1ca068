"""The part of a view that a preview computes, and the part that it shows."""

from __future__ import annotations

import pytest

from napari_unblur.model.preview_region import MARGIN, MAX_EDGE, MIN_EDGE, Viewport, preview_region


def region(corners, shape=(1000, 2000), position=(), **options):
    return preview_region(Viewport(corners, position), shape, **options)


def test_a_small_view_is_computed_with_a_margin_that_is_not_shown():
    found = region(((100, 200), (199, 349)))
    assert found.shown == (slice(100, 200), slice(200, 350))
    assert found.computed == (slice(100 - MARGIN, 200 + MARGIN), slice(200 - MARGIN, 350 + MARGIN))
    assert found.shown_in_computed() == (slice(MARGIN, MARGIN + 100), slice(MARGIN, MARGIN + 150))
    assert not found.is_partial


def test_of_a_large_view_the_middle_is_computed():
    found = region(((0, 0), (999, 1999)))
    assert found.is_partial
    assert found.shape == (MAX_EDGE, MAX_EDGE)
    assert found.shown == (slice(244, 756), slice(744, 1256))


def test_the_margin_ends_at_the_image():
    found = region(((0, 0), (99, 99)))
    assert found.computed[0] == slice(0, 100 + MARGIN)
    assert found.shown_in_computed()[0] == slice(0, 100)


def test_a_wide_psf_widens_the_margin():
    found = region(((500, 500), (599, 599)), half_width=(60, 40))
    assert found.computed == (slice(440, 660), slice(460, 640))


@pytest.mark.parametrize("corner", [(0, 0), (500, 500), (999, 1999)])
def test_at_any_zoom_the_smallest_edge_is_computed(corner):
    found = region((corner, corner))
    assert found.shape == (MIN_EDGE, MIN_EDGE)
    assert found.shown[0].stop <= 1000
    assert found.shown[1].stop <= 2000


def test_an_image_smaller_than_the_smallest_edge_is_computed_whole():
    found = region(((0, 0), (9, 9)), shape=(10, 10))
    assert found.shape == (10, 10)


def test_only_the_current_slice_is_computed():
    found = region(((0, 0), (99, 99)), shape=(5, 40, 100, 100), position=(3, 20))
    assert found.offset() == (3, 20, 0, 0)
    assert found.computed_leading == (slice(3, 4), slice(20, 21))


def test_a_volume_is_computed_around_the_plane_that_is_shown():
    options = {"half_width": (3, 5, 5), "depth_axis": 1}
    shape, position = (5, 40, 100, 100), (3, 4)
    found = region(((0, 0), (99, 99)), shape=shape, position=position, **options)
    assert found.computed_leading == (slice(3, 4), slice(0, 11))
    assert found.shown_in_computed()[:2] == (slice(0, 1), slice(4, 5))
