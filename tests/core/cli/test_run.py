"""`unblur run` on good input: what it writes, where, and what it says of it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np

from unblur.io import read_image, read_kernel, write_image, write_kernel
from unblur.model.image import Image
from unblur.model.kernel import Kernel
from unblur.plugins.manager import registry
from unblur.runs.sources import file_stamp


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_result_kernel_and_account_lie_beside_each_other(unblur, files):
    out = files / "sharp.tif"
    said = unblur(
        "run", files / "wiener.yaml", files / "grey.tif", "-o", out, "--psf", files / "psf.tif",
        "--seed", 5, "--device", "cpu",
    )  # fmt: skip
    assert said.out.startswith(f"{files / 'grey.tif'} -> {out} (kernel 7x7, ")
    result, given = read_image(out), read_image(files / "grey.tif")
    assert (result.dtype, result.shape) == (given.dtype, given.shape)
    assert not np.array_equal(result.data, given.data)
    used = read_kernel(files / "sharp.psf.tif").mean
    assert np.allclose(used.weights, read_kernel(files / "psf.tif").mean.weights)
    report = json.loads((files / "sharp.json").read_text())
    assert report["input_file"] == "grey.tif"
    assert report["steps"][0]["name"] == "wiener"
    assert report["seed"] == 5
    assert report["device"] == "cpu"
    assert report["kernel"]["origin"] == "given"
    assert len(report["input"]["sha256"]) == 64
    assert {"unblur", "torch", "numpy"} <= set(report["versions"])


def test_params_are_overridden_and_recorded(unblur, files):
    given = (files / "grey.png", "-o", files / "o.png", "--psf", files / "psf.tif")
    unblur("run", files / "wiener.yaml", *given, "--set", "deconvolve.noise=0.02")
    report = json.loads((files / "o.json").read_text())
    assert report["steps"][0]["params"]["noise"] == 0.02
    said = unblur("run", files / "wiener.yaml", *given, "--set", "wiener.noize=1", status=2)
    assert "did you mean 'noise'?" in said.err


def test_colour_stays_colour(unblur, halve, files):
    unblur("run", halve, files / "colour.png", "-o", files / "o.png", "--psf", files / "psf.tif")
    before, after = read_image(files / "colour.png"), read_image(files / "o.png")
    assert after.channels == ("red", "green", "blue")
    assert np.abs(after.data.astype(int) * 2 - before.data).max() <= 1


def test_a_crop_is_what_comes_out(unblur, halve, files):
    unblur(
        "run", halve, files / "grey.tif", "-o", files / "o.tif", "--psf", files / "psf.tif",
        "--crop", "10:30,:25",
    )  # fmt: skip
    whole, part = read_image(files / "grey.tif"), read_image(files / "o.tif")
    assert part.shape == (20, 25)
    assert np.abs(part.data.astype(int) * 2 - whole.data[10:30, :25]).max() <= 1
    crop = json.loads((files / "o.json").read_text())["crop"]
    assert crop == {"rows": [10, 30], "columns": [None, 25]}


def test_several_inputs_go_into_a_folder(unblur, halve, files):
    out = files / "out"
    said = unblur("run", halve, files / "gre*.*", "-o", out, "--psf", files / "psf.tif")
    assert names(out) == {
        "grey-png.png", "grey-png.psf.tif", "grey-png.json",
        "grey-tif.tif", "grey-tif.psf.tif", "grey-tif.json",
    }  # fmt: skip
    assert len(said.out.splitlines()) == 2


def test_json_counts_what_was_done_and_what_failed(unblur, halve, files):
    (files / "bad.tif").write_bytes(b"II*\0")
    said = unblur(
        "run", halve, files / "bad.tif", files / "grey.tif", "-o", files / "out",
        "--psf", files / "psf.tif", "--json", status=1,
    )  # fmt: skip
    summary = json.loads(said.out)
    assert [entry["input"] for entry in summary["done"]] == [str(files / "grey.tif")]
    assert [entry["input"] for entry in summary["failed"]] == [str(files / "bad.tif")]
    assert summary["done"][0]["kernel_shape"] == [7, 7]
    assert summary["done"][0]["report"] == str(files / "out" / "grey.json")
    assert summary["done"][0]["account"] == summary["done"][0]["report"]
    assert "1 of 2 inputs failed" in said.err
    assert (files / "out" / "grey.tif").exists()


def test_a_lossy_format_is_told(unblur, halve, files):
    psf = ("--psf", files / "psf.tif")
    said = unblur("run", halve, files / "grey.png", "-o", files / "a.jpg", *psf)
    assert "jpeg alters values a little; .png or .tif keep them" in said.err
    said = unblur("run", halve, files / "grey.png", "-o", files / "b.png", *psf)
    assert "alters" not in said.err


def test_quiet_says_nothing(unblur, halve, files):
    said = unblur(
        "run", halve, files / "grey.tif", "-o", files / "o.tif", "--psf", files / "psf.tif", "-q"
    )
    assert (said.out, said.err) == ("", "")


def test_overwrite_replaces_and_resume_leaves(unblur, halve, files):
    given = ("run", halve, files / "grey.tif", "-o", files / "o.tif", "--psf", files / "psf.tif")
    unblur(*given)
    first = (files / "o.tif").stat().st_mtime_ns
    said = unblur(*given, "--resume", "--json")
    assert json.loads(said.out)["skipped"][0]["output"] == str(files / "o.tif")
    assert said.err == "unblur: 1 of 1 inputs were done before.\n"
    said = unblur(*given, "--resume", "--seed", "7")
    assert "made with another pipeline, other params or another seed" in said.err
    assert (files / "o.tif").stat().st_mtime_ns == first
    unblur(*given, "--overwrite")
    assert (files / "o.tif").stat().st_mtime_ns != first


def test_resume_refuses_a_result_of_another_input_or_kernel(unblur, halve, files):
    given = ("run", halve, files / "grey.tif", "-o", files / "o.tif", "--psf", files / "psf.tif")
    unblur(*given)
    made = (files / "o.tif").read_bytes()
    os.utime(files / "grey.tif", (1, 1))
    assert "done before" in unblur(*given, "--resume").err  # of the same values
    image = read_image(files / "grey.tif")
    write_image(image.with_data(image.data + 1), files / "grey.tif", overwrite=True)
    said = unblur(*given, "--resume", status=1)
    assert said.err == (
        f"unblur: {files / 'o.tif'} is kept, but the input has changed since "
        "it was made; --overwrite without --resume makes it anew.\n"
    )
    kernel = Kernel(np.roll(read_kernel(files / "psf.tif").mean.weights, 1, axis=0))
    write_kernel(kernel, files / "psf.tif", overwrite=True)
    said = unblur(*given, "--resume", status=1)
    assert "the input and the kernel have changed since it was made" in said.err
    assert (files / "o.tif").read_bytes() == made
    unblur(*given, "--overwrite")
    assert "done before" in unblur(*given, "--resume").err


def test_resume_names_another_crop(unblur, halve, files):
    given = ("run", halve, files / "grey.tif", "-o", files / "o.tif", "--psf", files / "psf.tif")
    unblur(*given, "--crop", "2:26,4:28")
    made = (files / "o.tif").read_bytes()
    assert "done before" in unblur(*given, "--crop", "2:26,4:28", "--resume").err
    for touched in (False, True):
        if touched:
            os.utime(files / "grey.tif", (1, 1))
        for crop in (("--crop", "2:26,5:28"), ()):
            said = unblur(*given, *crop, "--resume", status=1)
            assert "kept, but the crop has changed since it was made" in said.err
    assert (files / "o.tif").read_bytes() == made
    assert "done before" in unblur(*given, "--crop", "2:26,4:28", "--resume").err


def test_the_stamp_of_a_part_is_that_of_its_file(tmp_path):
    (tmp_path / "a.lif").write_bytes(b"1234")
    stamp = file_stamp(tmp_path / "a.lif")
    assert stamp[0] == 4
    assert file_stamp(f"{tmp_path}/a.lif[1]") == stamp
    assert file_stamp("the image") == []


def test_a_report_without_a_stamp_is_resumed_as_before(unblur, halve, files):
    given = ("run", halve, files / "grey.tif", "-o", files / "o.tif", "--psf", files / "psf.tif")
    unblur(*given)
    report = json.loads((files / "o.json").read_text())
    del report["input_stamp"], report["given_kernel"]
    (files / "o.json").write_text(json.dumps(report))
    os.utime(files / "grey.tif", (1, 1))
    assert "done before" in unblur(*given, "--resume").err


def test_warnings_of_the_engine_are_told(unblur, files, halve, monkeypatch):
    def same(self, blurred, kernel, context, mask=None):
        return blurred

    monkeypatch.setattr(registry().stages["deconvolve", "halve"], "deconvolve", same)
    said = unblur(
        "run", halve, files / "grey.tif", "-o", files / "o.tif", "--psf", files / "psf.tif"
    )
    assert "returned its input unchanged" in said.err
    assert str(files / "grey.tif") in said.err


def test_a_zarr_store_goes_in_and_out(unblur, halve, files):
    stack = np.arange(2 * 3 * 20 * 24, dtype=np.uint16).reshape(2, 3, 20, 24) * 20
    image = Image(stack, "CZYX", {"Z": 0.5, "Y": 0.1, "X": 0.1}, dict.fromkeys("ZYX", "µm"))
    write_image(image, files / "cells.ome.zarr")
    said = unblur(
        "run", halve, files / "cells.ome.zarr", "-o", f"{files}/out/", "--psf", files / "psf.tif"
    )
    assert "out/cells.ome.zarr" in said.out
    result = read_image(files / "out" / "cells.ome.zarr")
    assert (result.axes, result.dtype) == ("CZYX", np.uint16)
    assert result.pixel_size["Z"] == 0.5
    assert np.abs(np.asarray(result.data).astype(int) * 2 - stack).max() <= 1
    assert (files / "out" / "cells.psf.tif").exists()
    assert (files / "out" / "cells.json").exists()
    said = unblur("report", files / "out" / "cells.ome.zarr", "-o", files / "cells.html")
    assert "Z = 1 of 3, channel 0 of 2" in (files / "cells.html").read_text("utf-8")
