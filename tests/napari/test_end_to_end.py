"""A session in a real window with mouse and key events, during which the UI stays responsive."""

from __future__ import annotations

import numpy as np
import pytest
from heartbeat import Heartbeat
from qtpy.QtCore import Qt

from conftest import BLIND
from napari_unblur.model.layers import PREVIEW_KEY
from unblur.pipeline import Pipeline

LIMIT = 0.1
"""Longest time for which the UI thread may process no events, in seconds."""
ATTEMPTS = 3
"""Largest number of measurements, of which one must stay below the limit."""


def is_responsive(heart):
    return heart.busiest < LIMIT and heart.worst < heart.allowed(LIMIT)


@pytest.fixture
def click(qtbot):
    def press(button):
        qtbot.waitUntil(button.isEnabled, timeout=10_000)
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    return press


def type_number(qtbot, box, text):
    box.setFocus()
    box.selectAll()
    qtbot.keyClicks(box, text)
    qtbot.keyClick(box, Qt.Key.Key_Tab)


@pytest.mark.serial
@pytest.mark.slow
def test_preview_run_cancel_run_save(
    open_widget, click, qtbot, wait_until_idle, tmp_path, monkeypatch
):
    data = np.random.default_rng(0).integers(0, 60_000, (700, 900), dtype=np.uint16)
    widget = open_widget(data, show=True)
    viewer = widget.viewer
    viewer.window._qt_window.activateWindow()
    canvas = viewer.window._qt_viewer.canvas.native
    names = lambda: [layer.name for layer in viewer.layers]  # noqa: E731

    click(widget.footer.preview)
    qtbot.waitUntil(lambda: "image (preview)" in names(), timeout=20_000)
    preview = viewer.layers["image (preview)"]
    assert preview.metadata[PREVIEW_KEY]
    canvas.setFocus()
    qtbot.keyClick(canvas, Qt.Key.Key_B)
    assert not preview.visible
    qtbot.keyClick(canvas, Qt.Key.Key_B)
    assert preview.visible

    iterations = widget.steps.cards[1].form.editors["iterations"].box
    type_number(qtbot, iterations, "5000")
    # Another process on the same processor core slows the work of a thread down as well as its
    # turn. What the widget itself does too slowly, it does in every attempt.
    measured = []
    for _attempt in range(ATTEMPTS):
        with Heartbeat() as heart:
            click(widget.footer.run)
            qtbot.waitUntil(
                lambda: widget.footer.status.text().startswith("sharpen"), timeout=20_000
            )
            qtbot.wait(1500)
            assert widget.runner.is_active
        assert heart.beats > 20
        measured.append(heart)
        click(widget.footer.cancel)
        wait_until_idle(widget, timeout=5000)
        if is_responsive(heart):
            break
    assert is_responsive(heart), ", ".join(map(str, measured))
    assert "Stopped" in widget.footer.status.text()
    assert "image (deblurred)" not in names()

    type_number(qtbot, iterations, "3")
    click(widget.footer.run)
    qtbot.waitUntil(lambda: "image (deblurred)" in names(), timeout=20_000)
    assert viewer.layers["image (deblurred)"].data.dtype == np.uint16
    assert "image (preview)" not in names()

    target = tmp_path / "tuned.yaml"
    monkeypatch.setattr(
        "napari_unblur.panels.pipeline_panel.QFileDialog.getSaveFileName",
        lambda *_args, **_kwargs: (str(target), ""),
    )
    click(widget.pipelines.save)
    assert Pipeline.load(target).steps[1].params == {"iterations": 3}
    assert Pipeline.load(target).steps[0].name == BLIND.split("kernel: ")[1].split()[0]


def test_the_window_fits_a_small_screen(open_widget, qtbot):
    data = np.zeros((3, 4, 30, 30), np.float32)
    widget = open_widget(data, show=True, contrast_limits=(0, 1))
    window = widget.viewer.window._qt_window
    window.resize(1280, 800)
    qtbot.waitUntil(lambda: window.height() <= 800, timeout=5000)
    widget.messages.add("A long message that needs more than one line. " * 3)
    for section in widget.sections.values():
        section.header.setChecked(True)
    qtbot.wait(50)
    assert window.width() <= 1280
    area = widget.rect()
    for button in (widget.footer.run, widget.footer.cancel, widget.footer.preview):
        corner = button.mapTo(widget, button.rect().bottomRight())
        assert area.contains(corner)
        assert button.width() >= button.minimumSizeHint().width()
    assert widget.scroll_area.widget().width() <= widget.scroll_area.viewport().width()
    assert widget.scroll_area.height() > 250
