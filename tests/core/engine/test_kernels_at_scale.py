"""Kernels of large images: from regions, from cells, brought into agreement, interpolated."""

import numpy as np
import pytest
import torch
from engine_stages import Box, blur

from unblur.engine import deblur
from unblur.engine.job import DeblurJob, SizeLimits
from unblur.engine.kernels.estimate import find_kernels
from unblur.engine.kernels.local import local_kernels, reject_outliers, window_grid
from unblur.engine.tiles.tiling import most_textured_windows
from unblur.errors import ImageError, UsageError
from unblur.model.block_layout import Layout
from unblur.model.context import Context
from unblur.model.image import Image
from unblur.model.kernel import Kernel, KernelField
from unblur.model.stages import Estimate, KernelEstimator
from unblur.numerics.camera import PoseGrid, camera_field
from unblur.numerics.filter_flow import deconvolve_varying, kernel_at, subdivide
from unblur.numerics.kernel_ops import max_cross_correlation, pad_to

RNG = np.random.default_rng(4)


def motion(angle, size=9):
    """Return a line through the centre at `angle` degrees, drawn by distance."""
    y, x = np.mgrid[:size, :size] - size // 2
    direction = np.deg2rad(angle)
    across = np.abs(np.cos(direction) * y - np.sin(direction) * x)
    along = np.abs(np.cos(direction) * x + np.sin(direction) * y)
    weights = np.clip(1 - across, 0, 1) * (along <= size // 2)
    return weights / weights.sum()


def shifted(weights, by):
    return np.roll(weights, by, (0, 1))


def padded(weights, size):
    return pad_to(torch.tensor(weights, dtype=torch.float64), (size, size)).numpy()


def test_kernels_are_interpolated_linearly():
    a, b = Kernel(motion(0)), Kernel(motion(90))
    field = KernelField(((a, b),), (0.0,), (100.0, 300.0))
    np.testing.assert_allclose(kernel_at(field, 50, 0).weights, a.weights)
    np.testing.assert_allclose(kernel_at(field, 50, 999).weights, b.weights)
    np.testing.assert_allclose(
        kernel_at(field, 50, 150).weights, 0.75 * a.weights + 0.25 * b.weights, atol=1e-7
    )


def test_windows_sum_to_one_wherever_the_piece_lies():
    kernels = tuple(tuple(Kernel(motion(10 * (i + j))) for j in range(3)) for i in range(3))
    field = KernelField(kernels, (30.0, 90.0, 170.0), (20.0, 110.0, 140.0))
    for origin, shape in (((0, 0), (200, 180)), ((64, 77), (50, 41)), ((190, 0), (5, 7))):
        ones = torch.ones(1, *shape)
        made = deconvolve_varying(lambda y, k, m, p, cut: y, ones, field, (0, 0), origin)
        torch.testing.assert_close(made, ones)
    assert subdivide([0.0, 10.0, 30.0], 1) == [0, 5, 10, 20, 30]
    assert subdivide([0.0, 10.0, 30.0], 5) == [0, 10, 20, 30]


def test_a_window_is_cut_where_the_piece_goes_on_on_both_sides():
    kernels = tuple((Kernel(np.eye(3)),) for _ in range(3))
    field = KernelField(kernels, (10.0, 40.0, 70.0), (10.0,))
    seen = []

    def deblur(y, kernel, mask, place, cut):
        seen.append((place[0], cut))
        return y

    deconvolve_varying(deblur, torch.ones(1, 80, 20), field, (3, 3), (0, 0))
    assert [cut for _, cut in seen] == [(False, False), *[(True, False)] * 3, (False, False)]


def test_an_outlier_disagrees_with_its_neighbours():
    grid = {(i, j): motion(10 * (i + j)) for i in range(4) for j in range(4)}
    grid[1, 2] = motion(130)
    assert set(grid) - set(reject_outliers(grid)) == {(1, 2)}
    smooth = {(i, j): motion(10 * (i + j)) for i in range(4) for j in range(4)}
    assert reject_outliers(smooth) == smooth


def layout(shape):
    return Layout.of(Image(np.zeros(shape, np.uint8), "YX"))


def test_windows_are_few_and_wide_enough():
    small = window_grid(layout((1100, 600)), 512)
    assert (len(small.rows), len(small.columns)) == (2, 1)
    vast = window_grid(layout((50_000, 20_000)), 512)
    assert len(vast.rows) == len(vast.columns) == 16
    tile = vast.tiles[3, 5]
    assert tile.interior[0].stop - tile.interior[0].start < 1600
    assert vast.rows[3] == pytest.approx((tile.interior[0].start + tile.interior[0].stop - 1) / 2)


class Told(KernelEstimator):
    """Reads the blur's angle off the brightest pixel of what it is shown: tens of degrees."""

    name = "told"
    summary = "Does as it is told."
    region = 64

    def estimate(self, blurred, context, mask=None):
        angle = round(float(blurred.max()) * 100)
        # A blind estimate is shifted at will.
        by = (angle % 3 - 1, angle % 2)
        return Estimate.of(Kernel(shifted(np.pad(motion(angle), 3), by)))


@pytest.fixture
def told(stages):
    stages.stages["kernel", "told"] = Told


def read_from(values):
    def read(tile):
        return torch.from_numpy(values[tile.padded])[None], None

    return read


def test_local_kernels_are_centred_and_completed(told):
    values = RNG.random((256, 256)).astype(np.float32) * 0.05
    for i in range(4):
        for j in range(4):
            values[64 * i + 20, 64 * j + 20] = 0.2 + 0.1 * (i + j)
    values[64:128, 128:192] = 0.1  # no texture
    values[128 + 20, 64 + 20] = 1.3  # far off its neighbours' 0.5
    estimate, where = local_kernels(layout((256, 256)), [Told()], read_from(values), Context())
    field = estimate.field
    assert field.shape == (4, 4)
    assert field.rows == (31.5, 95.5, 159.5, 223.5)
    assert "1 of them rejected" in where
    assert "1 without texture" in where
    for i in range(4):
        for j in range(4):
            weights = field.kernels[i][j].weights.astype(float)
            truth = np.pad(motion(20 + 10 * (i + j)), 3)
            assert max_cross_correlation(weights, truth)[0] > 0.9
            mass = [(axis * weights).sum() for axis in np.indices(weights.shape)]
            np.testing.assert_allclose(mass, 7, atol=0.1)


def test_local_kernels_are_made_to_fit_a_motion_of_the_camera(stages):
    """Noisy kernels, shifted at will, of a camera that turns by four degrees; one is missing."""
    poses = PoseGrid.over((256, 256), 15)
    weights = torch.zeros(len(poses.angles), 15, 15)
    middle = len(poses.angles) // 2
    for step in (-2, -1, 0, 1, 2):
        weights[middle + step, 7 + step, 7 - step // 2] = 1
    places = (31.5, 95.5, 159.5, 223.5)
    truth = camera_field(poses, weights, places, places)
    framed = [padded(k.weights, 15) for row in truth.kernels for k in row]
    shown = [weights + 0.02 * RNG.random((15, 15)) for weights in framed]
    noisy = iter(shown)

    class Shaken(Told):
        name = "shaken"

        def estimate(self, blurred, context, mask=None):
            return Estimate.of(Kernel(shifted(np.pad(next(noisy), 3), (1, -1))))

    values = RNG.random((256, 256)).astype(np.float32)
    arguments = (layout((256, 256)), [Shaken()], read_from(values), Context())
    estimate, where = local_kernels(*arguments, motion="camera")
    assert "camera that rotates by" in where
    found = [kernel_at(estimate.field, row, column).weights for row in places for column in places]

    def agreeing(kernels):
        pairs = [[padded(k, 21) for k in pair] for pair in zip(kernels, framed, strict=True)]
        return np.mean([max_cross_correlation(*pair)[0] for pair in pairs])

    assert agreeing(found) > max(agreeing(shown) + 0.03, 0.94)


def test_flat_images_have_no_local_kernels(told):
    flat = np.full((128, 128), 0.5, np.float32)
    with pytest.raises(ImageError, match="texture"):
        local_kernels(layout((128, 128)), [Told()], read_from(flat), Context())


def test_the_most_textured_windows_come_first():
    values = np.zeros((300, 300), np.float32)
    values[210:290, 10:90] = RNG.random((80, 80))
    values[10:90, 110:190] = 0.5 * RNG.random((80, 80))
    found = most_textured_windows(layout((300, 300)), 100, read_from(values), count=3)
    assert [(w.interior[0].start, w.interior[1].start) for w in found] == [(200, 0), (0, 100)]


def large_job(pipeline):
    """Return the job of an image that counts as too large to be estimated on whole."""
    image = Image(RNG.random((256, 256)).astype(np.float32), "YX")
    return DeblurJob.of(image, pipeline, None, Context(), limits=SizeLimits(whole_kernel=10_000))


def test_a_large_image_is_estimated_on_regions(pipeline):
    found = find_kernels(large_job(pipeline("kernel:small-region-box", "deconvolve:sharpen")))
    assert [shape for shape, _ in Box.seen] == [(1, 64, 64)] * 3
    assert found.region.startswith("mean over 3 of 3 regions: [")


def test_regions_have_no_kernels_of_a_whole_image(pipeline, stages):
    class Varying(Box):
        name = "varying"
        region = 64

        def estimate(self, blurred, context, mask=None):
            kernels = (Kernel(motion(0)), Kernel(motion(90)))
            return Estimate(KernelField((kernels,), (32.0,), (0.0, 63.0)))

    stages.stages["kernel", "varying"] = Varying
    with pytest.raises(UsageError, match=r"too large.*tiles\.motion=camera"):
        find_kernels(large_job(pipeline("kernel:varying", "deconvolve:sharpen")))


def test_a_rotating_blur_is_undone_by_local_kernels(pipeline, stages):
    """The kernel turns across the image; the cells, row by row, are told their own."""
    edge, cell, angles = 256, 64, (10, 40, 70, 100)
    told = iter(angles * 4)

    class InTurn(Told):
        name = "in-turn"

        def estimate(self, blurred, context, mask=None):
            return Estimate.of(Kernel(motion(next(told))))

    stages.stages["kernel", "in-turn"] = InTurn
    sharp = np.kron(RNG.random((edge // 8, edge // 8)), np.ones((8, 8)))
    place = (np.arange(edge) - cell / 2 + 0.5) / cell
    y = np.zeros_like(sharp)
    for j, angle in enumerate(angles):
        weight = np.clip(1 - np.abs(np.clip(place, 0, 3) - j), 0, None)
        y += blur(sharp * weight, motion(angle))
    errors = {}
    for kernel in ("local", "global"):
        steps = ("kernel:in-turn", "deconvolve:inverse")
        made = deblur(y.astype(np.float32), pipeline(*steps, size=64, kernel=kernel)).image
        inner = slice(24, -24)
        errors[kernel] = np.sqrt(np.mean((made - sharp)[inner, inner] ** 2))
        told = iter((40,))
    assert errors["local"] < 0.5 * errors["global"]
