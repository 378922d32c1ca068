"""Outputs: whole or not at all, and nothing is replaced unasked."""

import errno
import os
import shutil
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
from messages_for_tests import one_line

from unblur.errors import OutputError
from unblur.io import check_output, partial_path, publish, read_image, write_image
from unblur.model.image import Image
from unblur.plugins.manager import registry

RNG = np.random.default_rng(17)
IMAGE = Image(RNG.integers(0, 255, (40, 50), dtype=np.uint8), "YX")


def test_outputs_that_cannot_be(tmp_path, monkeypatch):
    monkeypatch.setattr(registry(), "broken", [])  # which the message would list
    for name, message in {
        "a.xyz": r"suffix '\.xyz', so its format is unknown; use one of .*\.tif.*\.zarr",
        "a": r"has no suffix, so its format is unknown; use one of .*, or .*a/ for a folder\.",
        "nowhere/a.tif": "there is no folder .*nowhere; create it",
    }.items():
        for attempt in (check_output, write_image):
            with pytest.raises(OutputError, match=message) as info:
                attempt(IMAGE, tmp_path / name)
            one_line(info)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.zarr", "a.ome.zarr", "a.fits", "a.npy"])
def test_nothing_is_overwritten_unless_asked(tmp_path, name):
    write_image(IMAGE, tmp_path / name)
    other = IMAGE.with_data(255 - IMAGE.data)
    with pytest.raises(OutputError, match=r"exists; choose another name or pass --overwrite"):
        write_image(other, tmp_path / name)
    np.testing.assert_array_equal(read_image(tmp_path / name).data, IMAGE.data)
    write_image(other, tmp_path / name, overwrite=True)
    np.testing.assert_array_equal(read_image(tmp_path / name).data, other.data)
    assert [p.name for p in tmp_path.iterdir()] == [name]


def test_a_store_may_take_the_place_of_a_file_and_back(tmp_path):
    final = write_image(IMAGE, tmp_path / "a.zarr")
    shutil.rmtree(final)
    final.write_text("a file")
    write_image(IMAGE, final, overwrite=True)
    assert read_image(final).shape == IMAGE.shape
    assert [p.name for p in tmp_path.iterdir()] == ["a.zarr"]


def test_a_folder_of_other_things_is_never_replaced(tmp_path):
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match="a folder with files in it"):
        write_image(IMAGE, tmp_path / "a.zarr", overwrite=True)
    assert (tmp_path / "a.zarr" / "thesis.txt").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_one_may_not_write_in(tmp_path):
    (tmp_path / "locked").mkdir()
    (tmp_path / "locked").chmod(0o500)
    with pytest.raises(OutputError, match="no permission to write"):
        write_image(IMAGE, tmp_path / "locked" / "a.tif")


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.ome.zarr", "a.fits", "a.npy"])
@pytest.mark.parametrize("trouble", [OSError(errno.ENOSPC, "No space left on device"),
                                     ValueError("odd"), KeyboardInterrupt()])  # fmt: skip
def test_a_failure_midway_leaves_the_old_file_and_no_other(tmp_path, monkeypatch, name, trouble):
    write_image(IMAGE, tmp_path / name)
    writer = type(check_output(IMAGE, tmp_path / name, overwrite=True))
    real = writer.write

    def fail(self, image, path):
        real(self, image, path)
        raise trouble

    monkeypatch.setattr(writer, "write", fail)
    expected = KeyboardInterrupt if isinstance(trouble, KeyboardInterrupt) else OutputError
    with pytest.raises(expected) as info:
        write_image(IMAGE.with_data(255 - IMAGE.data), tmp_path / name, overwrite=True)
    if isinstance(trouble, OSError):
        assert one_line(info).endswith("no space left on device; free some space or choose "
                                       "another disk.")  # fmt: skip
    np.testing.assert_array_equal(read_image(tmp_path / name).data, IMAGE.data)
    assert [p.name for p in tmp_path.iterdir()] == [name]


@pytest.fixture
def short_of_space():
    """Let no file grow beyond 100 kB, as a full disk would."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("name", ["a.tif", "a.png", "a.ome.zarr", "a.zarr", "a.fits", "a.npy"])
@pytest.mark.parametrize("lazy", [False, True])
def test_space_that_runs_out_while_writing(tmp_path, short_of_space, name, lazy):
    data = RNG.integers(0, 65535, (600, 600)).astype(np.uint16)
    given = Image(da.from_array(data, chunks=(300, 300)) if lazy else data, "YX")
    message = rf"{name} cannot be written: (file too large|the disk took only a part; free some)"
    with pytest.raises(OutputError, match=message) as info:
        write_image(given, tmp_path / name)
    one_line(info)
    assert list(tmp_path.iterdir()) == []


def test_publishing_puts_the_old_store_back_if_renaming_fails(tmp_path, monkeypatch):
    final = write_image(IMAGE, tmp_path / "a.zarr")
    partial = partial_path(final)
    shutil.copytree(final, partial)
    real = Path.rename

    def refuse(self, target):
        if self == partial:
            raise OSError(errno.EIO, "Input/output error")
        return real(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OutputError, match="input/output error"):
        publish(partial, final, overwrite=True)
    np.testing.assert_array_equal(read_image(final).data, IMAGE.data)


def test_partial_names_are_hidden_keep_their_suffix_and_stay_the_same():
    for name in ("a.tif", "a.ome.zarr", "a.b.fits.gz", "noise 3.1.png"):
        partial = partial_path(Path("/data") / name)
        assert partial == partial_path(Path("/data") / name)
        assert partial.name.startswith(".")
        assert partial.name.endswith(".partial." + name.split(".", 2 if "b." in name or "3" in name
                                                               else 1)[-1])  # fmt: skip
