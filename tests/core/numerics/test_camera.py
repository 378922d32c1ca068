"""The poses of a camera, the kernels that they make, and fits of the one to the other."""

from itertools import pairwise, product

import numpy as np
import pytest
import torch

from unblur.errors import ImageError, KernelError
from unblur.numerics.camera import (
    CameraBasis,
    PoseGrid,
    camera_field,
    pose_support,
    project_kernels,
    rotation,
    zero_mean_rotation,
)
from unblur.numerics.camera.projection import shift_towards
from unblur.numerics.filter_flow import kernel_at
from unblur.numerics.metrics import kernel_similarity
from unblur.numerics.synthesis import camera_path, shake_image
from unblur.testing import check_adjoint

SHAPE = (121, 161)
PLACES = [(r, c) for r in (15.0, 45.0, 75.0, 105.0) for c in (20.0, 60.0, 100.0, 140.0)]


def drawn(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.fixture(scope="module")
def grid():
    return PoseGrid.over(SHAPE, 15)


@pytest.fixture(scope="module")
def basis(grid):
    return CameraBasis.at(grid, PLACES, torch.zeros(0, dtype=torch.float64))


@pytest.fixture(scope="module")
def motion(grid):
    """A camera that turns by five degrees in all."""
    path = camera_path(5, 5, torch.Generator().manual_seed(3))
    return torch.from_numpy(grid.weights(path))


@pytest.mark.parametrize("size", [6, 7])
def test_the_basis_and_its_adjoint(size):
    grid = PoseGrid.over((40, 50), size)
    basis = CameraBasis.at(grid, [(0, 0), (20.5, 33.2), (39, 0)], torch.zeros(0).double())
    check_adjoint(basis.forward, basis.adjoint, basis.shape)


def test_a_pose_puts_a_point_of_light_where_it_moves_it_to():
    grid = PoseGrid.over((101, 201), 21)
    pose = (len(grid.angles) - 3, 12, 7)
    place = (80.0, 30.0)
    weights = torch.zeros(len(grid.angles), 21, 21)
    weights[pose] = 1
    kernel = CameraBasis.at(grid, [place]).forward(weights)[0].numpy()
    mass = [float((axis * kernel).sum()) - 10 for axis in np.indices(kernel.shape)]
    offset = np.array(place) - (50, 100)
    expected = rotation(grid.angles[pose[0]]) @ offset - offset + (2, -3)
    np.testing.assert_allclose(mass, expected, atol=1e-4)
    assert (kernel > 0).sum() <= 4


def test_angles_are_counter_clockwise_as_seen():
    right, up = np.array([0.0, 1.0]), np.array([-1.0, 0.0])
    np.testing.assert_allclose(rotation(np.pi / 2) @ right, up, atol=1e-12)


def test_admitted_poses_lose_no_light_anywhere(grid):
    admitted = torch.from_numpy(grid.admitted()).double()
    corners = [(r, c) for r in (0, 60, 120) for c in (0, 80, 160)]
    basis = CameraBasis.at(grid, corners, admitted)
    assert 0.2 < float(admitted.mean()) < 0.8
    lost = basis.adjoint(torch.ones(9, 15, 15).double()) - 9
    assert float((lost * admitted).abs().max()) < 1e-9
    assert float((lost * (1 - admitted)).abs()[1 - admitted > 0].min()) > 1e-9


def test_the_grid_reaches_no_further_than_asked():
    assert PoseGrid.over(SHAPE, 15, np.deg2rad(1)).angles[-1] == pytest.approx(np.deg2rad(1))
    assert PoseGrid.over(SHAPE, 15, 0).angles == (0.0,)
    corner = np.hypot(60, 80)
    assert PoseGrid.over(SHAPE, 15).angles[-1] * corner == pytest.approx(7)


def test_the_field_is_the_basis_at_its_places(grid, basis, motion):
    field = camera_field(grid, motion, (15, 45, 75, 105), (20, 60, 100, 140))
    flat = np.stack([k.weights for row in field.kernels for k in row])
    np.testing.assert_allclose(flat, basis.forward(motion), atol=1e-6)
    with pytest.raises(KernelError, match="angles"):
        camera_field(grid, motion[:-1], (15,), (20,))


def test_a_path_has_the_weight_of_its_time(grid):
    path = np.array([[0.0, 1.0, -2.0], [0.0, 1.0, -2.0], [grid.angles[0], 0.25, 0.0]])
    weights = grid.weights(path)
    middle, centre = len(grid.angles) // 2, grid.size // 2
    assert weights.sum() == pytest.approx(1)
    assert weights[middle, centre + 1, centre - 2] == pytest.approx(2 / 3)
    assert weights[0, centre : centre + 2, centre] == pytest.approx([0.25, 1 / 12])


def test_kernels_between_the_places_of_a_field_are_those_of_the_camera():
    grid = PoseGrid.over((432, 432), 25, np.deg2rad(1))
    swing = np.linspace(-1, 1, 41)[:, None] * [np.deg2rad(1), 4, -2]
    weights = torch.from_numpy(grid.weights(swing))
    field = camera_field(grid, weights)
    size = field.mean.shape[0]
    inside = slice((25 - size) // 2, (25 + size) // 2)
    middles = [[np.mean(pair) for pair in pairwise(along)] for along in (field.rows, field.columns)]
    places = list(product(*middles))
    for place, truth in zip(
        places, CameraBasis.at(grid, places, weights).forward(weights).numpy(), strict=True
    ):
        between = kernel_at(field, *place).weights
        assert kernel_similarity(between, truth[inside, inside]) > 0.94


def test_levelled_poses_make_the_same_kernels_turned_to_the_middle(grid, motion):
    kept = motion * torch.from_numpy(grid.admitted())
    level, weights = zero_mean_rotation(grid, kept)
    share = (weights.sum((1, 2)) / weights.sum()).numpy()
    assert share @ np.array(level.angles) == pytest.approx(0, abs=1e-12)
    corners = [(r, c) for r in (0, 120) for c in (0, 160)]
    made = CameraBasis.at(level, corners, weights).forward(weights)
    np.testing.assert_allclose(made.sum((1, 2)), float(kept.sum()), rtol=1e-9)


def mean_similarity(found, truth):
    return np.mean(
        [kernel_similarity(f.numpy(), t.numpy()) for f, t in zip(found, truth, strict=True)]
    )


def test_noise_shifts_and_a_wrong_kernel_are_taken_out_by_the_projection(grid, basis, motion):
    truth = basis.forward(motion)
    noise = 0.4 * truth.amax((1, 2), keepdim=True) * (drawn(*truth.shape) - 0.5)
    seen = (truth + noise).clamp_min(0)
    seen[5] = seen[5].T.flip(0)
    seen[::3] = torch.roll(seen[::3], (1, -1), (1, 2))
    seen /= seen.sum((1, 2), keepdim=True)
    found = basis.forward(project_kernels(seen, basis, threshold=0.15))
    np.testing.assert_allclose(found.sum((1, 2)), 1, atol=1e-9)
    assert mean_similarity(found, truth) > mean_similarity(seen, truth) + 0.1
    assert mean_similarity(found, truth) > 0.95


def test_a_motion_without_noise_is_kept(basis, motion):
    truth = basis.forward(motion)
    found = basis.forward(project_kernels(truth, basis, threshold=0, n_fits=1))
    assert mean_similarity(found, truth) > 0.99


def test_faint_poses_are_left_out():
    assert pose_support(torch.tensor([0.5, 0.0, 0.3, 0.1]), 0.4).tolist() == [1, 0, 1, 0]


def test_kernels_are_shifted_by_fractions_of_a_pixel():
    index = torch.arange(13.0, dtype=torch.float64)

    def blob(row, column):
        flat = (-((index[:, None] - row) ** 2) - (index - column) ** 2).div(4).exp()
        return flat / flat.sum()

    moved = shift_towards(torch.stack([blob(6, 6), blob(7.3, 4.6)]), blob(6, 6).expand(2, 13, 13))
    for kernel in moved:
        assert float((kernel.sum(1) * index).sum()) == pytest.approx(6, abs=0.05)
        assert float((kernel.sum(0) * index).sum()) == pytest.approx(6, abs=0.05)


# Synthesis.


def test_a_shaken_point_of_light_is_the_kernel_of_its_place(grid):
    path = camera_path(4, 4, torch.Generator().manual_seed(1))
    sharp = torch.zeros(SHAPE, dtype=torch.float64)
    place = (35, 110)
    for row in (-1, 0, 1):  # A blob, since a cubic spline through one pixel rings.
        for column in (-1, 0, 1):
            sharp[place[0] + row, place[1] + column] = (2 - abs(row)) * (2 - abs(column)) / 16
    pair = shake_image(sharp, path)
    border = (SHAPE[0] - pair.sharp.shape[0]) // 2
    row, column = place[0] - border, place[1] - border
    spread = pair.blurred[row - 9 : row + 10, column - 9 : column + 10]
    expected = np.zeros((19, 19))
    offset = np.array(place) - (60, 80)
    for angle, *shift in path:
        moved = rotation(angle) @ offset - offset + shift + 9
        below = np.floor(moved).astype(int)
        for corner in np.ndindex(2, 2):
            share = np.prod(1 - np.abs(below + corner - moved))
            expected[tuple(below + corner)] += share / len(path)
    assert kernel_similarity(spread.numpy(), expected) > 0.85
    mass = [float((axis * spread.numpy()).sum() / spread.sum()) for axis in np.indices((19, 19))]
    centre = [float((axis * expected).sum()) for axis in np.indices((19, 19))]
    np.testing.assert_allclose(mass, centre, atol=0.02)


def test_a_path_spans_what_it_is_told():
    path = camera_path(12, 3, torch.Generator().manual_seed(0))
    np.testing.assert_allclose(path.mean(0), 0, atol=1e-12)
    assert np.ptp(path[:, 0]) == pytest.approx(np.deg2rad(3))
    assert np.ptp(path[:, 1:], axis=0).max() == pytest.approx(12)


def test_a_motion_beyond_the_image_is_refused():
    with pytest.raises(ImageError, match="leaves nothing"):
        shake_image(torch.rand(20, 20), np.array([[0.0, 12.0, 0.0]]))
