"""Preview of the visible part: its position, its repetition, and its equality with the run."""

from __future__ import annotations

import time

import numpy as np
import pytest

from conftest import BLIND
from napari_unblur.model.layers import PREVIEW_KEY

RANDOM = np.random.default_rng(0)
SLOW = BLIND.replace("sharpen", "sharpen\n    params: {iterations: 2000, pause: 0.01}")


def preview_of(widget):
    return next((layer for layer in widget.viewer.layers if PREVIEW_KEY in layer.metadata), None)


def set_view(widget, corners, position=()):
    """Set the visible part of the layer, as the canvas of a window does."""
    layer = widget.input.layer
    layer.corner_pixels = np.zeros((2, layer.ndim), int)
    layer.corner_pixels[:, -2:] = corners
    for axis, index in enumerate(position):
        widget.viewer.dims.set_current_step(axis, index)


def test_the_preview_equals_the_result_of_the_run(open_panel, wait_until_idle):
    widget = open_panel(RANDOM.random((200, 240)).astype(np.float32), scale=(2, 2))
    set_view(widget, ((60, 70), (129, 149)))
    widget.footer.preview.click()
    wait_until_idle(widget)
    layer = preview_of(widget)
    assert layer.data.shape == (70, 80)
    assert np.allclose(layer.translate, (120, 140))
    assert widget.input.menu.count() == 1
    shown = layer.data.copy()
    widget.footer.run.click()
    wait_until_idle(widget)
    assert preview_of(widget) is None
    result = widget.viewer.layers[-1].data[60:130, 70:150]
    assert np.abs(result - shown).max() < 1e-3


def test_the_preview_covers_the_visible_part_of_a_window(open_widget, wait_until_idle, qtbot):
    widget = open_widget(RANDOM.random((4, 400, 400)).astype(np.float32), show=True)
    viewer = widget.viewer
    viewer.dims.set_current_step(0, 2)
    viewer.scene.camera.zoom *= 4
    layer = widget.input.layer
    qtbot.waitUntil(lambda: layer.corner_pixels[1, -1] < 399, timeout=5000)
    low, high = np.array(widget.input.viewport().corners)
    widget.footer.preview.click()
    wait_until_idle(widget)
    found = preview_of(widget)
    assert found.data.shape[0] == 1
    assert found.translate[0] == 2
    assert np.allclose(found.translate[1:], low)
    assert np.array_equal(found.data.shape[1:], high - low + 1)
    viewer.dims.ndisplay = 3
    widget.footer.preview.click()
    assert "2-D view" in widget.messages.text


def test_a_live_preview_is_repeated_when_a_param_changes(open_panel, wait_until_idle, qtbot):
    widget = open_panel(RANDOM.random((64, 64)).astype(np.float32))
    set_view(widget, ((0, 0), (63, 63)))
    with qtbot.waitSignal(widget.preview.shown, timeout=10_000):
        widget.footer.live.click()
    before = preview_of(widget).data.copy()
    box = widget.steps.cards[1].form.editors["iterations"].box
    with qtbot.waitSignal(widget.preview.shown, timeout=10_000):
        box.setValue(20)
    assert not np.array_equal(preview_of(widget).data, before)
    assert sum(PREVIEW_KEY in layer.metadata for layer in widget.viewer.layers) == 1
    with qtbot.waitSignal(widget.preview.shown, timeout=10_000):
        widget.viewer.scene.camera.zoom *= 1.1


def test_a_slow_preview_is_cancelled_by_the_next_change(open_panel, wait_until_idle, qtbot):
    widget = open_panel(RANDOM.random((64, 64)).astype(np.float32), pipeline=SLOW)
    set_view(widget, ((0, 0), (63, 63)))
    widget.footer.live.click()
    qtbot.waitUntil(lambda: "sharpen" in widget.footer.status.text(), timeout=10_000)
    editors = widget.steps.cards[1].form.editors
    began = time.monotonic()
    with qtbot.waitSignal(widget.preview.shown, timeout=10_000):
        editors["iterations"].box.setValue(1)
    assert time.monotonic() - began < 8
    assert preview_of(widget) is not None


def test_the_preview_of_fast_stages_takes_less_than_two_seconds(open_panel, wait_until_idle, qtbot):
    widget = open_panel(RANDOM.random((2000, 2000)).astype(np.float32))
    set_view(widget, ((0, 0), (1999, 1999)))
    seconds = []
    widget.preview.shown.connect(lambda result: seconds.append(result.report.seconds))
    for _ in range(2):
        widget.footer.preview.click()
        wait_until_idle(widget)
    assert preview_of(widget).data.shape == (512, 512)
    assert min(seconds) < 2


def test_the_kernel_is_reused_while_later_steps_are_tuned(open_panel, wait_until_idle, qtbot):
    widget = open_panel(RANDOM.random((64, 64)).astype(np.float32))
    set_view(widget, ((0, 0), (63, 63)))
    origins = []
    widget.preview.shown.connect(lambda result: origins.append(result.report.kernel.origin))
    for change in ("iterations", "step", None):
        widget.footer.preview.click()
        wait_until_idle(widget)
        if change:
            box = widget.steps.cards[1].form.editors[change].box
            box.setValue(box.value() * 1.5)
    widget.steps.cards[0].form.editors["deviation"].box.setValue(2.5)
    widget.footer.preview.click()
    wait_until_idle(widget)
    assert origins == ["guess", "given", "given", "guess"]


def test_a_reused_kernel_keeps_its_confidence(open_panel, wait_until_idle):
    pipeline = BLIND.replace("guess", "guess\n    params: {confidence: 0.6}")
    widget = open_panel(RANDOM.random((64, 64)).astype(np.float32), pipeline=pipeline)
    set_view(widget, ((0, 0), (63, 63)))
    confidences = []
    widget.preview.shown.connect(lambda result: confidences.append(result.confidence))
    for _ in range(3):
        widget.footer.preview.click()
        wait_until_idle(widget)
    assert confidences == [0.6, 0.6, 0.6]
    assert widget.psf.doctor.note.text().endswith("Confidence 0.60 (medium).")


def test_the_preview_is_removed_when_another_layer_is_chosen(open_panel, wait_until_idle):
    widget = open_panel(RANDOM.random((64, 64)).astype(np.float32))
    set_view(widget, ((0, 0), (63, 63)))
    other = widget.viewer.add_image(RANDOM.random((32, 32)), name="other")
    widget.footer.preview.click()
    wait_until_idle(widget)
    assert preview_of(widget) is not None
    widget.input.choose(other)
    assert preview_of(widget) is None


@pytest.mark.parametrize("rgb", [True, False])
def test_the_preview_has_the_axes_of_its_layer(open_panel, wait_until_idle, rgb):
    shape = (40, 40, 3) if rgb else (5, 40, 40)
    data = RANDOM.integers(0, 255, shape, dtype=np.uint8)
    widget = open_panel(data, rgb=rgb)
    set_view(widget, ((0, 0), (39, 39)), () if rgb else (3,))
    widget.footer.preview.click()
    wait_until_idle(widget)
    assert preview_of(widget).data.shape == ((40, 40, 3) if rgb else (1, 40, 40))
    assert preview_of(widget).rgb == rgb
