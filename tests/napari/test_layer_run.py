"""Runs in the background and their result layers: stacks, colours, large layers."""

from __future__ import annotations

from dataclasses import replace

import dask.array as da
import numpy as np
import pytest
from napari.utils.progress import progress
from stages_for_widget import Guess

from conftest import BLIND, KNOWN_PSF
from napari_unblur.model.layers import REPORT_KEY
from napari_unblur.panels.footer import format_duration, format_progress
from napari_unblur.panels.options_panel import proposed_path
from unblur.model.context import Progress

RANDOM = np.random.default_rng(0)
SLOW = BLIND.replace("guess", "guess\n    params: {rounds: 2000, pause: 0.01}")


def run(widget, wait_until_idle):
    widget.footer.run.click()
    assert widget.runner.is_active
    wait_until_idle(widget)
    return widget.viewer.layers[-1]


def test_the_result_has_position_and_appearance_of_its_source(open_widget, wait_until_idle):
    place = {
        "scale": (0.5, 0.25),
        "translate": (10, -3),
        "units": ("um", "um"),
        "contrast_limits": (10, 900),
        "colormap": "magma",
        "gamma": 0.7,
        "rotate": 20,
    }
    data = RANDOM.integers(0, 1000, (40, 50), dtype=np.uint16)
    widget = open_widget(data, **place)
    result = run(widget, wait_until_idle)
    source = widget.input.layer
    assert result.name == "image (deblurred)"
    assert result.data.dtype == np.uint16
    assert result.data.shape == data.shape
    assert not np.array_equal(result.data, data)
    assert np.allclose(result.affine.affine_matrix, source.affine.affine_matrix)
    for name in ("scale", "translate", "rotate", "contrast_limits", "gamma"):
        assert np.allclose(getattr(result, name), getattr(source, name)), name
    assert result.units == source.units
    assert result.colormap.name == "magma"
    assert widget.footer.compare.isEnabled()
    assert "Done" in widget.messages.text


def test_the_report_is_in_the_metadata(open_panel, wait_until_idle):
    widget = open_panel(RANDOM.random((30, 30), np.float32))
    widget.options.seed.setValue(9)
    record = run(widget, wait_until_idle).metadata[REPORT_KEY]
    assert record["seed"] == 9
    assert [step["name"] for step in record["steps"]] == ["guess", "sharpen", "limit"]
    assert record["input"]["source"] == "image"
    assert len(record["input"]["sha256"]) == 64
    assert record["versions"]["unblur"]


@pytest.mark.parametrize(("confidence", "text"), [(0.934, "0.93 (high)"), (0.21, "0.21 (low)")])
def test_the_confidence_is_shown_and_kept(open_panel, wait_until_idle, confidence, text):
    pipeline = BLIND.replace("guess", f"guess\n    params: {{confidence: {confidence}}}")
    widget = open_panel(RANDOM.random((30, 30), np.float32), pipeline=pipeline)
    record = run(widget, wait_until_idle).metadata[REPORT_KEY]
    assert record["kernel"]["confidence"] == confidence
    assert f"Done in under 1 s: image (deblurred). Confidence {text}." in widget.messages.text
    assert widget.psf.doctor.note.text().endswith(f"px. Confidence {text}.")
    warned = [item.text for item in widget.messages.items if item.severity == "warning"]
    found = [sentence.partition(":")[0] for sentence in warned if "confidence" in sentence]
    assert found == (["confidence 0.21"] if confidence < 0.5 else [])


def test_what_was_chosen_is_shown(open_panel, wait_until_idle, monkeypatch):
    widget = open_panel(RANDOM.random((30, 30), np.float32), pipeline=BLIND)
    estimate = Guess.estimate
    chosen = {"text": "65 % of paper"}
    monkeypatch.setattr(Guess, "estimate", lambda *given: replace(estimate(*given), choices=chosen))
    record = run(widget, wait_until_idle).metadata[REPORT_KEY]
    assert record["kernel"]["choices"] == chosen
    assert "image (deblurred). Chosen: text (65 % of paper)." in widget.messages.text


def test_an_unknown_confidence_is_not_shown(open_panel, wait_until_idle):
    widget = open_panel(RANDOM.random((30, 30), np.float32))
    assert run(widget, wait_until_idle).metadata[REPORT_KEY]["kernel"]["confidence"] is None
    assert "onfidence" not in widget.messages.text + widget.psf.doctor.note.text()


def test_the_kernel_is_a_small_layer_beside_the_image(open_panel, wait_until_idle):
    widget = open_panel(RANDOM.random((30, 30), np.float32), scale=(2, 2), translate=(5, 5))
    run(widget, wait_until_idle)
    kernel = widget.viewer.layers["image PSF"]
    assert kernel.data.shape == (9, 9)
    assert np.isclose(kernel.data.sum(), 1)
    right_edge = kernel.data_to_world((0, 8))[1]
    assert right_edge < widget.input.layer.data_to_world((0, 0))[1]
    assert kernel.data_to_world((0, 0))[0] == 5
    assert not widget.psf.doctor.picture.isHidden()


def test_rgb_layers_stay_rgb_and_alpha_is_unchanged(open_panel, wait_until_idle):
    data = RANDOM.integers(0, 255, (30, 40, 4), dtype=np.uint8)
    widget = open_panel(data, rgb=True)
    result = run(widget, wait_until_idle)
    assert result.rgb
    assert result.data.shape == data.shape
    assert np.array_equal(result.data[..., 3], data[..., 3])
    assert not np.array_equal(result.data[..., :3], data[..., :3])


def test_stacks_run_on_the_ticked_axes(open_panel, wait_until_idle):
    data = RANDOM.random((3, 5, 24, 24)).astype(np.float32)
    widget = open_panel(data, scale=(1, 2, 1, 1))
    assert widget.input.chosen_roles() == ("C", "Z")
    whole = run(widget, wait_until_idle)
    assert whole.data.shape == data.shape
    assert all(not np.array_equal(a, b) for a, b in zip(whole.data[:, 2], data[:, 2], strict=True))
    widget.input.ticks[1].click()
    widget.viewer.dims.set_current_step(1, 3)
    part = run(widget, wait_until_idle)
    assert part.data.shape == (3, 1, 24, 24)
    assert part.translate[1] == 6


def test_a_time_series_with_the_time_axis_named_by_the_user(open_panel, wait_until_idle):
    widget = open_panel(RANDOM.random((6, 24, 24)).astype(np.float32))
    widget.input.roles[0].choose("T")
    result = run(widget, wait_until_idle)
    assert result.metadata[REPORT_KEY]["input"]["axes"] == "TYX"
    assert result.data.shape == (6, 24, 24)


def test_progress_is_shown_in_the_activity_dock_and_removed(open_panel, wait_until_idle, qtbot):
    widget = open_panel(RANDOM.random((24, 24), np.float32), pipeline=SLOW)
    before = len(progress._all_instances)
    widget.footer.run.click()
    qtbot.waitUntil(lambda: "left" in widget.footer.status.text())
    (bar,) = list(progress._all_instances)[before:] or list(progress._all_instances)[-1:]
    assert "Deblurring image" in bar.desc
    qtbot.waitUntil(lambda: bar.n > 0)
    assert bar.total == 2000
    assert bar.n < 2000
    assert not widget.footer.run.isEnabled()
    assert widget.footer.cancel.isEnabled()
    bar.cancel()
    wait_until_idle(widget)
    assert len(progress._all_instances) == before
    assert [layer.name for layer in widget.viewer.layers] == ["image"]


def test_cancel_takes_effect_at_once_and_adds_no_layer(open_panel, qtbot, wait_until_idle):
    widget = open_panel(RANDOM.random((24, 24), np.float32), pipeline=SLOW)
    widget.footer.run.click()
    qtbot.waitUntil(lambda: "guess" in widget.footer.status.text())
    widget.footer.cancel.click()
    wait_until_idle(widget, timeout=1000)
    assert len(widget.viewer.layers) == 1
    assert "Stopped" in widget.footer.status.text()
    assert widget.footer.run.isEnabled()
    assert not widget.footer.cancel.isEnabled()


def test_a_layer_may_be_deleted_during_its_run(open_panel, wait_until_idle):
    widget = open_panel(RANDOM.random((24, 24), np.float32))
    widget.footer.run.click()
    widget.viewer.layers.clear()
    wait_until_idle(widget)
    assert widget.viewer.layers[-1].name == "image (deblurred)"


def test_before_and_after(open_panel, wait_until_idle):
    widget = open_panel(RANDOM.random((24, 24), np.float32))
    result = run(widget, wait_until_idle)
    assert widget.compare.shows_after
    widget.footer.compare.click()
    assert not result.visible
    pressed = {str(key): act for key, act in widget.viewer.keymap.items()}["B"]
    pressed(widget.viewer)
    assert result.visible
    widget.viewer.layers.remove(result)
    assert not widget.footer.compare.isEnabled()


def test_results_of_large_layers_are_written_to_disk(open_panel, wait_until_idle, tmp_path):
    data = RANDOM.integers(0, 4000, (600, 500), dtype=np.uint16)
    widget = open_panel(
        da.from_array(data, chunks=256), in_memory=1000,
        scale=(0.5, 0.5), contrast_limits=(0, 4000),
        pipeline=KNOWN_PSF.replace("sharpen", "sharpen\n    params: {iterations: 2}"),
    )  # fmt: skip
    widget.viewer.add_image(np.ones((5, 5)), name="kernel")
    widget.psf.choose("layer")
    widget.psf.layers.choose(widget.viewer.layers["kernel"])
    widget.psf.layers.activated.emit(widget.psf.layers.currentIndex())
    wait_until_idle(widget)
    assert not widget.options.path.isHidden()
    widget.options.path.setText(str(tmp_path / "result.ome.zarr"))
    result = run(widget, wait_until_idle)
    assert (tmp_path / "result.ome.zarr").is_dir()
    assert result.multiscale
    assert len(result.data) >= 2
    assert hasattr(result.data[0], "dask")
    assert result.data[0].shape == data.shape
    assert result.data[0].dtype == np.uint16
    assert np.allclose(result.scale, (0.5, 0.5))
    assert "exists already" in widget.footer.status.text()


def test_a_stopped_run_on_a_large_layer_is_continued(open_panel, wait_until_idle, qtbot, tmp_path):
    data = RANDOM.integers(0, 4000, (512, 512), dtype=np.uint16)
    text = BLIND.replace("sharpen", "sharpen\n    params: {iterations: 2, pause: 0.2}")
    widget = open_panel(
        da.from_array(data, chunks=128), in_memory=1000, contrast_limits=(0, 4000),
        pipeline=text + "tiles: {size: 128}\n",
    )  # fmt: skip
    target = tmp_path / "result.ome.zarr"
    widget.options.path.setText(str(target))
    widget.footer.run.click()
    qtbot.waitUntil(lambda: "tiles" in widget.footer.status.text(), timeout=20_000)
    widget.footer.cancel.click()
    wait_until_idle(widget)
    assert not target.exists()
    assert "continues from the finished tiles" in widget.footer.status.text()
    result = run(widget, wait_until_idle)
    assert "Continuing the stopped run" in widget.messages.text
    record = result.metadata[REPORT_KEY]
    assert record["tiles"]["resumed"] >= 1
    assert result.data[0].shape == data.shape
    assert [p.name for p in tmp_path.glob(".*") if "result" in p.name] == []


@pytest.mark.parametrize(
    ("name", "complaint"),
    [("result.tif", "ends in .zarr"), ("missing/result.zarr", "no folder")],
)
def test_an_unusable_output_is_reported_before_the_run(open_panel, tmp_path, name, complaint):
    data = da.zeros((600, 500), dtype=np.uint16)
    widget = open_panel(data, in_memory=1000, contrast_limits=(0, 1))
    widget.options.path.setText(str(tmp_path / name))
    assert complaint in widget.footer.status.text()
    assert not widget.footer.run.isEnabled()


def test_the_proposed_output_is_unused(tmp_path):
    from napari_unblur.model.layers import LayerSnapshot

    (tmp_path / "plate-deblurred.ome.zarr").mkdir()
    source = LayerSnapshot(
        "plate", np.zeros((2, 2)), False, ("y", "x"), (1, 1), ("pixel",) * 2,
        str(tmp_path / "plate.zarr"), {},
    )  # fmt: skip
    assert proposed_path(source) == tmp_path / "plate-deblurred-2.ome.zarr"


def test_times_have_the_unit_that_fits():
    assert format_duration(0.2) == "under 1 s"
    assert format_duration(42) == "42 s"
    assert format_duration(600) == "10 min"
    assert format_duration(7200) == "2.0 h"
    assert format_progress(Progress("map", 10, 40, 5.0)) == "map · 10 of 40 · 15 s left"
    assert format_progress(Progress("map", 0, 40, 0.0)) == "map · 0 of 40"
