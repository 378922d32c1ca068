"""Names, links and pipeline text that are valid and meant to do harm; runs that meet."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from unblur.cli.console import print_json, print_result, print_status
from unblur.cli.options import settings
from unblur.errors import ImageError, OutputError, PipelineError, UsageError, WeightsError
from unblur.io import read_image, write_image
from unblur.model.image import Image
from unblur.model.plain_yaml import MAX_DEPTH
from unblur.pipeline import Pipeline
from unblur.plugins.weights import load_weights
from unblur.report.html_text import escape
from unblur.runs.file_jobs import expand_patterns, file_jobs
from unblur.runs.sidecars import read_report, report_path
from unblur.runs.store import alone, journal_path

IMAGE = Image(np.arange(2000, dtype=np.uint8).reshape(40, 50), "YX")
HOSTILE = "a\x1b]0;b\x07\x9b31m\u202e\udcff<b>"


def test_names_reach_neither_the_terminal_nor_a_page_as_commands(capsys):
    assert str(ImageError(f"{HOSTILE}\nx")) == r"a\x1b]0;b\x07\x9b31m\u202e\udcff<b> x"
    print_status(HOSTILE)
    print_result(HOSTILE)
    print_json({HOSTILE: 1})
    shown = capsys.readouterr()
    for text in (shown.out, shown.err, escape(HOSTILE)):
        assert not any(c in text for c in HOSTILE[:10] if not c.isprintable())
        assert "\udcff" not in text
    assert "&lt;b&gt;" in escape(HOSTILE)
    assert "é µ 中 \u200d" in escape("é µ 中 \u200d")


def test_the_report_of_a_name_that_is_not_text_is_valid_json(tmp_path):
    from unblur.runs.sidecars import _as_json

    path = report_path(tmp_path / "a.tif")
    path.write_text(_as_json({"input_file": HOSTILE}), "utf-8")
    assert read_report(tmp_path / "a.tif")["input_file"] == HOSTILE


def test_links_in_a_folder_are_followed_once_and_in_no_circle(tmp_path):
    write_image(IMAGE, tmp_path / "a.tif")
    (tmp_path / "again").symlink_to(tmp_path)
    (tmp_path / "b.tif").symlink_to(tmp_path / "gone.tif")
    (tmp_path / "c.tif").symlink_to(tmp_path / "c.tif")
    found = expand_patterns([f"{tmp_path}/**/a.tif"])
    assert found == [tmp_path / "a.tif"]
    jobs = file_jobs([f"{tmp_path}/*.tif"], tmp_path / "out", True)
    assert len(jobs) == 3
    for name in ("b.tif", "c.tif"):
        with pytest.raises(ImageError, match=rf"{name} is a link to .*, which is not there"):
            read_image(tmp_path / name)


def test_no_result_replaces_a_kernel_or_lies_within_an_input(tmp_path):
    store = write_image(IMAGE, tmp_path / "a.ome.zarr")
    psf = tmp_path / "k.tif"
    with pytest.raises(UsageError, match=r"would replace the input .*k\.tif"):
        file_jobs([str(store)], psf, False, [psf])
    with pytest.raises(UsageError, match=r"lies within the input .*a\.ome\.zarr"):
        file_jobs([str(store)], store / "0")
    with pytest.raises(UsageError, match=r"would replace the input"):
        file_jobs([str(store / "0")], store)


def test_pipeline_text_is_not_nested_and_its_values_are_possible():
    nested = "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)
    for text, message in {
        f"summary: {'[' * 40000}": f"more than {MAX_DEPTH} levels",
        f"summary: {nested}": f"more than {MAX_DEPTH} levels",
        "summary: 2026-13-45": "a value cannot be read",
        f"summary: {'9' * 5000}": "a value cannot be read",
        "summary: a\0b": "special characters",
    }.items():
        with pytest.raises(PipelineError, match=message):
            Pipeline.parse(text, "a.yaml")
    for value in (nested, "2026-13-45", "9" * 5000):
        with pytest.raises(UsageError, match="is not a plain YAML value"):
            settings([f"kernel.size={value}"])


def test_a_message_quotes_the_beginning_of_a_long_value_or_name():
    long = "x" * 900
    for step in (f"{{deconvolve: wiener, params: {long}}}", f"{{deconvolve: wiener, {long}: 1}}"):
        with pytest.raises(PipelineError, match="xxx…") as caught:
            Pipeline.parse(f"summary: A.\nsteps: [{step}]", "a.yaml")
        assert len(str(caught.value)) < 400


def test_a_header_of_weights_is_no_longer_than_the_file_and_a_limit(tmp_path, monkeypatch):
    path = tmp_path / "a.safetensors"
    path.write_bytes((2**40).to_bytes(8, "little") + b"{}")
    with pytest.raises(WeightsError, match="its header has 1099511627776 bytes, the file 10"):
        load_weights(path)
    monkeypatch.setattr("unblur.plugins.weights.MAX_HEADER_BYTES", 100)
    path.write_bytes((200).to_bytes(8, "little") + b"{}".ljust(200))
    with pytest.raises(WeightsError, match="states a header of 200 bytes, more than 100"):
        load_weights(path)


def test_two_runs_do_not_write_one_output(tmp_path):
    output = tmp_path / "a.tif"
    with alone(output):
        with (
            pytest.raises(OutputError, match=rf"is being written by another .*{os.getpid()}"),
            alone(output),
        ):
            raise AssertionError
        assert journal_path(output).exists()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(KeyError), alone(output):
        raise KeyError
    assert list(tmp_path.iterdir()) == []


def test_a_plain_run_removes_what_an_interrupted_one_left(tmp_path):
    from unblur.io import partial_path

    output = tmp_path / "a.tif"
    folder = journal_path(output)
    folder.mkdir()
    (folder / "job.json").write_text("{}")
    partial_path(output).write_text("half")
    Path(f"{partial_path(output)}.scratch").mkdir()
    with pytest.raises(KeyError), alone(output):
        raise KeyError
    assert len(list(tmp_path.iterdir())) == 3
    with alone(output):
        pass
    assert list(tmp_path.iterdir()) == []
