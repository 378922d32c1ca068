"""Stores of very many small chunks, whose reading Ctrl-C must end soon."""

import os
import signal

import numpy as np
import pytest
import zarr

from unblur.io import read_image
from unblur.io.interruption import interruptible_reads
from unblur.io.zarr import piecewise

DATA = np.random.default_rng(5).integers(1, 4000, (2, 20, 21)).astype(np.uint16)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Return the path of a store of 840 chunks."""
    path = tmp_path_factory.mktemp("stores") / "a.zarr"
    options = {"chunks": (1, 1, 1), "compressors": None}
    zarr.create_array(path, shape=DATA.shape, dtype=DATA.dtype, **options)[...] = DATA
    return path


@pytest.fixture
def read(monkeypatch):
    """Return a list to which the key of each chunk is added that is read."""
    keys = []
    get = zarr.storage.LocalStore.get

    async def counted(self, key, *arguments, **options):
        if "/" in key:
            keys.append(key)
        return await get(self, key, *arguments, **options)

    monkeypatch.setattr(zarr.storage.LocalStore, "get", counted)
    if hasattr(zarr.storage.LocalStore, "get_sync"):
        get_sync = zarr.storage.LocalStore.get_sync

        def counted_sync(self, key, *arguments, **options):
            if "/" in key:
                keys.append(key)
            return get_sync(self, key, *arguments, **options)

        monkeypatch.setattr(zarr.storage.LocalStore, "get_sync", counted_sync)
    return keys


@pytest.mark.parametrize("lazy", [False, True])
def test_a_request_to_stop_ends_the_reading_of_single_pixels_in_chunks(store, read, lazy):
    with interruptible_reads(lambda: len(read) > 100), pytest.raises(KeyboardInterrupt):
        np.asarray(read_image(store, lazy=lazy).data)
    assert 100 < len(read) <= 100 + 2 * piecewise.CHUNKS_AT_ONCE < DATA.size  # of two threads
    with interruptible_reads(lambda: False):
        np.testing.assert_array_equal(np.asarray(read_image(store, lazy=lazy).data), DATA)


@pytest.mark.parametrize(
    "index",
    [
        *(..., np.s_[1], np.s_[1, 2:9], np.s_[:, 3:18, 5:6], np.s_[:, ::4, ::5]),
        *(np.s_[0, 19, 20], np.s_[0:0], np.s_[:, -7:-2], np.s_[0:2, 0:20, 0:21]),
    ],
    ids=str,
)
def test_any_region_is_that_of_the_array(store, index):
    array = piecewise.PiecewiseArray(zarr.open_array(store, mode="r"))
    np.testing.assert_array_equal(array[index], DATA[index])


def test_pieces_are_whole_chunks_of_a_limited_number():
    assert piecewise._piece_shape((2, 30, 31), (1, 1, 1)) == (1, 8, 31)
    assert piecewise._piece_shape((9, 1000, 1000), (1, 10, 500)) == (1, 1000, 1000)
    assert piecewise._piece_shape((5, 100_000), (1, 7)) == (1, 7 * 256)


@pytest.mark.needs_torch
def test_ctrl_c_ends_a_run_on_single_pixels_in_chunks(store, read, tmp_path, monkeypatch):
    from typer.testing import CliRunner

    from unblur.cli import app
    from unblur.io import interruption

    np.save(tmp_path / "psf.npy", np.full((3, 3), 1 / 9, np.float32))
    check = interruption.check_interruption

    def checked():
        if len(read) > 200:
            os.kill(os.getpid(), signal.SIGINT)
        check()

    monkeypatch.setattr(piecewise, "check_interruption", checked)
    arguments = ["run", "wiener", str(store), "-o", str(tmp_path / "out.zarr"), "--psf",
                 str(tmp_path / "psf.npy")]  # fmt: skip
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 130, result.output
    assert "stopped" in result.stderr
    assert len(read) < DATA.size
    assert sorted(p.name for p in tmp_path.iterdir()) == ["psf.npy"]
