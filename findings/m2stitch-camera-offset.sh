#!/usr/bin/env bash
# m2stitch: its normalized cross-correlation falls with the mean of the tiles: a camera's offset stops stitching.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check numpy==2.3.5 scipy==1.16.3 pandas==2.3.3 \
  networkx==3.6.1 scikit-learn==1.7.2 tqdm==4.67.1
venv/bin/pip install --quiet --disable-pip-version-check --no-deps m2stitch==0.7.2
TQDM_DISABLE=1 PYTHONWARNINGS=ignore venv/bin/python - <<'PYTHON'
import sys
from importlib.metadata import version

import m2stitch
import numpy as np
from scipy.ndimage import gaussian_filter

names = ("numpy", "pandas", "scikit-learn", "m2stitch")
print("python", sys.version.split()[0], *(f"{name} {version(name)}" for name in names))
print("Situation: 4 x 4 tiles of 128 x 128 pixels of one field of bright spots, each 96 pixels after the last,")
print("           without noise, as they are and with the offset of a camera, 100, added to all of them")
print("Expected:  the same positions; neighbours agree where they overlap, a normalized cross-correlation of 1")
field = gaussian_filter(np.random.default_rng(0).exponential(1, (416, 416)) ** 4, 2.0)
field *= 1000 / field.max()
places = 96 * np.array([(row, column) for row in range(4) for column in range(4)])
tiles = np.stack([field[y : y + 128, x : x + 128] for y, x in places])


def stitch(images, **arguments):
    try:
        grid = m2stitch.stitch_images(images, *(places // 96).T.tolist(), row_col_transpose=False,
                                      full_output=True, **arguments)[0]
    except AssertionError as error:
        return f"refused: {error}", None
    right = np.array_equal(grid[["y_pos", "x_pos"]], places)
    return f"positions are {'right' if right else 'wrong'}", grid["left_ncc"].to_numpy()


for offset in (0, 100):
    images = tiles + offset
    overlaps = images[0][:, 96:], images[1][:, :32]
    agreement = float(np.corrcoef(*(overlap.ravel() for overlap in overlaps))[0, 1])
    outcome, _ = stitch(images)
    _, found = stitch(images, ncc_threshold=0.01, position_initial_guess=places, overlap_diff_threshold=2)
    print(f"Seen:      offset {offset:3}: {outcome}")
    print(f"           correlation of the first overlap by numpy {agreement:.3f}, by m2stitch {found[1]:.3f}")
    # The products are of values less their means, but are divided by the norms of the values themselves.
    variance, square = overlaps[0].var(), (overlaps[0] ** 2).mean()
    assert np.isclose(found[1], variance / square, rtol=0.01), "the behaviour has changed"
    assert np.isclose(agreement, 1)
    if offset:
        assert outcome.startswith("refused: there is no good"), "the behaviour has changed"
        lower, _ = stitch(images, ncc_threshold=0.1)
        print(f"           with ncc_threshold=0.1, as the message suggests: {lower}")
        assert lower.endswith("wrong"), "the behaviour has changed"
    else:
        assert outcome.endswith("right")
PYTHON
