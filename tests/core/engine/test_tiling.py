"""Tiles, whoever computes them, make the whole image."""

from dataclasses import replace
from itertools import product
from math import prod

import dask.array as da
import numpy as np
import pytest

from unblur.engine import deblur
from unblur.engine.tiles.sizing import largest_fit
from unblur.engine.tiles.tiling import Tiling, balanced_size, split_tile, spread_windows
from unblur.model.block_layout import Layout
from unblur.model.image import Image
from unblur.model.kernel import Kernel, KernelField

RNG = np.random.default_rng(1)


def layout(axes, shape, volumetric=False):
    return Layout.of(Image(np.zeros(shape, np.uint8), axes), volumetric)


@pytest.mark.parametrize(
    ("axes", "shape", "volumetric", "size", "halo"),
    [
        ("YX", (100, 70), False, (32, 40), (5, 7)),
        ("TCZYX", (2, 3, 4, 33, 50), False, (33, 16), (9, 60)),
        ("CZYX", (2, 20, 33, 50), True, (8, 16, 50), (3, 3, 0)),
    ],
)
def test_interiors_cover_every_pixel_once(axes, shape, volumetric, size, halo):
    tiling = Tiling(layout(axes, shape, volumetric), size, halo)
    count = np.zeros(tiling.layout.shape, int)
    for number, tile in enumerate(tiling):
        assert tile.number == number
        count[tile.region(tile.interior)] += 1
        for interior, padded, crop, h, n in zip(
            tile.interior, tile.padded, tile.crop, halo, tiling.layout.spatial, strict=True
        ):
            assert padded == slice(max(interior.start - h, 0), min(interior.stop + h, n))
            assert range(padded.start, padded.stop)[crop] == range(interior.start, interior.stop)
    assert (count == 1).all()


def test_a_tile_is_cut_along_the_axes_on_which_it_has_its_whole_halo():
    tiling = Tiling(layout("YX", (100, 100)), (25, 50), (8, 8))
    assert [tile.cut_axes((8, 8)) for tile in tiling] == [
        (row in (1, 2), False) for row in range(4) for _ in range(2)
    ]
    assert tiling[2].cut_axes((0, 8)) == (False, False)
    assert not any(any(tile.spanned_axes(tiling.layout.spatial)) for tile in tiling)
    whole = replace(tiling, size=(tiling.layout.spatial[0], tiling.size[1]))[0]
    assert whole.spanned_axes(tiling.layout.spatial) == (True, False)


@pytest.mark.parametrize("size", [(100, 60), (50, 30), (60, 99), (100, 100), (1, 7)])
def test_the_largest_tile_with_its_halo_is_known_without_all_of_them(size):
    tiling = Tiling(layout("YX", (100, 100)), size, (8, 30))
    extents = [[part.stop - part.start for part in tile.padded] for tile in tiling]
    assert tiling.padded_size == tuple(max(along) for along in zip(*extents, strict=True))


def test_a_halved_tile_is_the_tile():
    tiling = Tiling(layout("YX", (100, 100)), (40, 60), (8, 8))
    tile = tiling[3]
    count = np.zeros((100, 100), int)
    for half in split_tile(tile, (8, 8), (100, 100)):
        count[half.interior] += 1
        assert half.padded[1].start == max(half.interior[1].start - 8, 0)
    expected = np.zeros_like(count)
    expected[tile.interior] = 1
    assert (count == expected).all()


@pytest.mark.parametrize("extent", [1, 63, 64, 65, 1000, 4097])
@pytest.mark.parametrize(("largest", "multiple"), [(64, 1), (100, 32), (512, 256)])
def test_balanced_sizes(extent, largest, multiple):
    size = balanced_size(extent, largest, multiple)
    assert size == extent or (size <= largest and size % multiple == 0)


def test_windows_are_few_and_spread():
    big = layout("YX", (65536, 65536))
    found = spread_windows(big, 512)
    assert len(found) == 64
    rows = {w.interior[0].start // 16384 for w in found}
    assert rows == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("axes", "shape"), [("YX", (150, 130)), ("CYX", (3, 90, 75)), ("TZYX", (2, 2, 70, 90))]
)
@pytest.mark.parametrize("lazy", [False, True])
def test_tiled_equals_whole(pipeline, box, axes, shape, lazy):
    y = (RNG.random(shape) * 60000).astype(np.uint16)
    known = pipeline("deconvolve:sharpen")
    whole = deblur(y, known, box, axes=axes).image
    given = da.from_array(y, chunks=47) if lazy else y
    tiled = deblur(given, known, box, axes=axes, tile=40)
    assert hasattr(tiled.image, "dask") == lazy
    assert np.array_equal(np.asarray(tiled.image), whole)
    assert tiled.report.tiles["size"] == [40, 40]
    assert tiled.report.tiles["halo"] == [4, 4]


def test_a_volume_in_tiles(pipeline):
    y = RNG.random((12, 60, 50)).astype(np.float32)
    kernel = np.zeros((3, 3, 3))
    kernel[1, 1, 1], kernel[0, 1, 1], kernel[1, 1, 2] = 0.8, 0.1, 0.1
    known = pipeline("deconvolve:inverse")
    whole = deblur(y, known, kernel, axes="ZYX").image
    for given in (y, da.from_array(y, chunks=(5, 20, 20))):
        tiled = np.asarray(deblur(given, known, kernel, axes="ZYX", tile=32).image)
        # Only the wrapped border of this test stage depends on where the volume ends.
        np.testing.assert_allclose(tiled[:, 20:-20, 20:-20], whole[:, 20:-20, 20:-20], atol=2e-3)


def test_lazy_stays_lazy(pipeline, box):
    touched = []

    def block(block_info=None):
        touched.append(block_info)
        return RNG.random((64, 64)).astype(np.float32)

    y = da.map_blocks(block, chunks=((64,) * 8, (64,) * 8), dtype="f4", meta=np.empty((0, 0), "f4"))
    result = deblur(y, pipeline("deconvolve:sharpen"), box, tile=64)
    before = len(touched)
    assert np.asarray(result.image[:10, :10]).shape == (10, 10)
    assert len(touched) - before <= 4


def test_holes_and_masks_in_tiles(pipeline, box):
    y = RNG.random((100, 100)).astype(np.float32)
    y[40:45, 30:60] = np.nan
    known = pipeline("deconvolve:sharpen")
    whole = deblur(y, known, box)
    tiled = deblur(y, known, box, tile=32)
    away = np.ones(y.shape, bool)
    away[38:47, 28:62] = False  # this test stage sees what holes are filled with
    np.testing.assert_allclose(tiled.image[away], whole.image[away], atol=1e-6)
    assert np.array_equal(np.isnan(tiled.image), np.isnan(y))
    assert tiled.report.mask.nonfinite == whole.report.mask.nonfinite == 150


def test_kernel_field_in_tiles(pipeline):
    y = RNG.random((120, 140)).astype(np.float32)
    narrow, wide = np.zeros((5, 5)), np.full((5, 5), 1 / 25)
    narrow[2, 2] = 1
    row = (Kernel(narrow), Kernel(wide))
    field = KernelField((row, row[::-1]), (20.0, 100.0), (30.0, 110.0))
    known = pipeline("deconvolve:sharpen")
    whole = deblur(y, known, field).image
    for given in (y, da.from_array(y, chunks=50)):
        tiled = deblur(given, known, field, tile=48).image
        np.testing.assert_allclose(np.asarray(tiled), whole, atol=1e-5)
    np.testing.assert_allclose(whole[:20, :30], y[:20, :30], atol=1e-5)
    assert np.abs(whole[:20, 115:] - y[:20, 115:]).max() > 0.1


def test_cancelling_between_tiles(pipeline, box):
    from unblur.errors import Cancelled

    seen = []
    with pytest.raises(Cancelled):
        deblur(
            RNG.random((200, 200)),
            pipeline("deconvolve:sharpen"),
            box,
            tile=32,
            on_progress=seen.append,
            is_cancelled=lambda: len(seen) >= 3,
        )
    assert 3 <= len(seen) < 8
    assert seen[0].label == "tiles"
    assert seen[0].total == 49


def test_an_error_in_a_tile_is_raised(pipeline, box):
    with pytest.raises(ValueError, match="no"):
        deblur(RNG.random((90, 90)), pipeline("deconvolve:failing"), box, tile=32)


class OneBytePerPixel:
    """A memory of one byte for each pixel of a tile with its halo."""

    def predict(self, padded_size, on_gpu=False, *, interior=None):
        return prod(padded_size)


@pytest.mark.parametrize("spatial", [(3200, 3750), (700, 9000), (5000, 1100)])
@pytest.mark.parametrize("chunk", [1, 512])
@pytest.mark.parametrize("budget", [10**6, 4 * 10**6, 10**9])
def test_the_tile_reads_about_the_fewest_pixels_of_all_that_fit(spatial, chunk, budget):
    halo = (80, 80)

    def padded(size):
        return [min(s + 2 * h, n) for s, h, n in zip(size, halo, spatial, strict=True)]

    def pixels_read(size):
        tiles = Tiling(layout("YX", spatial), size, halo)
        return sum(prod(part.stop - part.start for part in tile.padded) for tile in tiles)

    found = largest_fit(OneBytePerPixel(), spatial, halo, budget, chunk_shape=(chunk, chunk))
    assert prod(padded(found)) <= budget
    assert all(s % chunk == 0 or s == n for s, n in zip(found, spatial, strict=True))
    edges = [[*range(512, min(n, 2048) + 1, 512), *([n] if n < 2048 else [])] for n in spatial]
    fitting = [size for size in product(*edges) if prod(padded(size)) <= budget]
    assert pixels_read(found) <= 1.02 * min(map(pixels_read, fitting))


def test_deep_volumes_are_divided_along_z_too():
    spatial, halo = (600, 512, 512), (10, 10, 10)
    size = largest_fit(OneBytePerPixel(), spatial, halo, 20 * 10**6)
    padded = [min(s + 20, n) for s, n in zip(size, spatial, strict=True)]
    assert prod(padded) <= 20 * 10**6
    tiles = Tiling(layout("ZYX", spatial, volumetric=True), size, halo)
    read = sum(prod(part.stop - part.start for part in tile.padded) for tile in tiles)
    assert read < 1.25 * prod(spatial)
    assert size[0] < 600
    shallow = largest_fit(OneBytePerPixel(), (32, 512, 512), halo, 10**6)
    assert shallow[0] == 32


def test_where_no_tile_fits_the_smallest_is_taken():
    size = largest_fit(OneBytePerPixel(), (3000, 3000), (80, 80), 100)
    assert max(size) <= 64
