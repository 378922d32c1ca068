"""Which inputs, where results go, and how options are read."""

from __future__ import annotations

from pathlib import Path

import pytest

from unblur.cli.options import crop_box, noise_level, settings
from unblur.errors import UsageError
from unblur.runs.file_jobs import FileJob, expand_patterns, file_jobs, result_name

# Where results go.


def test_names_are_expanded_once_and_in_order(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("b.png", "a.png", "c[1].png"):
        Path(name).touch()
    assert expand_patterns(["[ab].png", "b.png"]) == [Path("a.png"), Path("b.png")]
    assert expand_patterns(["c[1].png"]) == [Path("c[1].png")]
    assert expand_patterns(["missing.png"]) == [Path("missing.png")]
    assert expand_patterns(["a.png[3]"]) == [Path("a.png[3]")]
    with pytest.raises(UsageError, match=r"no file matches '\*\.tif'"):
        expand_patterns(["*.tif"])


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("a.png", "a.png"),
        ("x/stack.ome.tif", "stack.ome.tif"),
        ("raw.cr2", "raw.tif"),
        ("night.fits[2]", "night-2.fits"),
        ("plate.ome.zarr", "plate.ome.zarr"),
        ("noname", "noname.tif"),
        ("sky.FITS.FZ", "sky.fits"),
    ],
)
def test_results_keep_their_names(source, result):
    assert result_name(Path(source)) == result


def test_equal_names_keep_their_folders(tmp_path):
    inputs = [tmp_path / "x" / "im.png", tmp_path / "y" / "im.png"]
    for path in inputs:
        path.parent.mkdir()
        path.touch()
    out = tmp_path / "out"
    jobs = file_jobs([str(path) for path in inputs], out)
    assert [job.output for job in jobs] == [out / "x" / "im.png", out / "y" / "im.png"]
    assert all(job.makes_folder for job in jobs)


def test_one_input_goes_to_a_file_or_into_a_folder(tmp_path):
    source = tmp_path / "a.png"
    source.touch()
    (tmp_path / "there").mkdir()
    assert file_jobs([str(source)], tmp_path / "b.tif") == [FileJob(source, tmp_path / "b.tif")]
    assert file_jobs([str(source)], tmp_path / "there")[0].output == tmp_path / "there" / "a.png"
    assert file_jobs([str(source)], tmp_path / "new", True)[0].output == tmp_path / "new" / "a.png"


def test_results_never_take_the_place_of_inputs(tmp_path):
    inputs = [tmp_path / "a.png", tmp_path / "b.png"]
    for path in inputs:
        path.touch()
    with pytest.raises(UsageError, match="replace the input"):
        file_jobs([str(path) for path in inputs], tmp_path)
    with pytest.raises(UsageError, match="replace the input"):
        file_jobs([str(inputs[0])], tmp_path / "sub" / ".." / "a.png")
    psf = tmp_path / "c.psf.tif"
    psf.touch()
    with pytest.raises(UsageError, match=r"c\.psf\.tif: writing it would replace"):
        file_jobs([str(psf)], tmp_path / "c.tif")
    with pytest.raises(UsageError, match="2 inputs cannot all go to the file"):
        file_jobs([str(path) for path in inputs], tmp_path / "one.png")


# Values of options.


def test_settings_are_read_as_yaml():
    assert settings(["a.b=31", "c=[1, 2]", "d=auto", "e=1.5", "f=x=y"]) == {
        "a.b": 31, "c": [1, 2], "d": "auto", "e": 1.5, "f": "x=y",
    }  # fmt: skip
    for bad in ("kernel.size", "=3", "a=[", "a=!!python/name:os.system x"):
        with pytest.raises(UsageError, match="--set"):
            settings([bad])


def test_crop_and_noise():
    assert crop_box("1:2,3:4") == (slice(1, 2), slice(3, 4))
    assert crop_box(":,:7") == (slice(None), slice(None, 7))
    for bad in ("", "1:2", "1:2,3", "a:b,c:d", "5:5,0:1", "-3:4,0:1", "1:2:3,0:1"):
        with pytest.raises(UsageError, match="--crop"):
            crop_box(bad)
    assert noise_level("auto") is None
    assert noise_level("0.01") == 0.01
    for bad in ("x", "-1", "1", "nan"):
        with pytest.raises(UsageError, match="--noise"):
            noise_level(bad)
