"""Choice of layer, pipeline and params; saving the pipeline, copying the command."""

from __future__ import annotations

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QApplication
from stages_for_widget import Sharpen

from conftest import BLIND, KNOWN_PSF
from napari_unblur.forms.editors import NumberEditor
from napari_unblur.forms.params_form import PriorsEditor
from unblur.pipeline import Pipeline

IMAGE = np.random.default_rng(0).random((40, 50)).astype(np.float32)


def card(widget, name):
    return next(c for c in widget.steps.cards if c.step.name == name)


def test_the_widget_starts_with_a_pipeline_and_needs_an_image(open_widget):
    widget = open_widget()
    assert widget.steps.cards
    assert widget.footer.status.text() == "Open an image to begin."
    assert not widget.footer.run.isEnabled()
    widget.viewer.add_image(IMAGE, name="late")
    assert widget.input.menu.currentText() == "late"
    assert widget.footer.run.isEnabled()


def test_the_menu_of_layers_follows_the_viewer(open_panel):
    widget = open_panel(IMAGE)
    layer = widget.viewer.add_image(IMAGE, name="second")
    widget.viewer.add_labels(np.zeros((4, 4), int))
    names = [widget.input.menu.itemText(i) for i in range(widget.input.menu.count())]
    assert names == ["second", "image"]
    assert widget.input.layer.name == "image"
    widget.input.choose(layer)
    layer.name = "renamed"
    assert widget.input.menu.currentText() == "renamed"
    widget.viewer.layers.remove(layer)
    assert widget.input.layer.name == "image"


def test_form_shows_values_bounds_units_and_tooltips(open_panel):
    widget = open_panel(IMAGE)
    editors = card(widget, "sharpen").form.editors
    iterations = editors["iterations"]
    assert isinstance(iterations, NumberEditor)
    assert (iterations.box.minimum(), iterations.box.maximum()) == (1, 5000)
    assert "1 to 5000" in iterations.toolTip()
    assert editors["mode"].menu.count() == 2
    assert editors["noise"].value() is None
    size = card(widget, "guess").form.editors["size"]
    assert size.value() == "auto"
    assert size.box.isHidden()
    size.menu.setCurrentIndex(1)
    size.menu.activated.emit(1)
    assert isinstance(size.value(), int)
    assert not size.box.isHidden()


def test_typing_changes_the_pipeline(open_panel, qtbot):
    widget = open_panel(IMAGE)
    box = card(widget, "sharpen").form.editors["iterations"].box
    box.selectAll()
    qtbot.keyClicks(box, "17")
    qtbot.keyClick(box, Qt.Key.Key_Return)
    step = card(widget, "sharpen").form.editors["step"].box
    step.selectAll()
    qtbot.keyClicks(step, "4e-3")
    qtbot.keyClick(step, Qt.Key.Key_Return)
    assert widget.steps.draft().steps[1].params == {"iterations": 17, "step": 0.004}
    assert "Edited." in widget.pipelines.summary.text()


def test_priors_can_be_added_weighted_and_removed(open_panel, qtbot):
    widget = open_panel(IMAGE)
    priors = card(widget, "guess").form.editors["priors"]
    assert isinstance(priors, PriorsEditor)
    qtbot.mouseClick(priors.add, Qt.MouseButton.LeftButton)
    assert len(priors.value()) == 2
    first = priors.rows[0]
    first.weight.box.setValue(0.02)
    first.form.editors["sharpness"].box.setValue(3.0)
    assert priors.value()[0] == {"prior": "energy", "weight": 0.02, "params": {"sharpness": 3.0}}
    widget.steps.draft().pipeline().build()
    priors.rows[1].removed.emit()
    assert len(widget.steps.draft().steps[0].params["priors"]) == 1


def test_an_invalid_value_is_reported_in_its_card_and_prevents_the_run(open_panel):
    widget = open_panel(IMAGE)
    taps = card(widget, "sharpen").form.editors["taps"]
    taps.box.setPlainText("[one]")
    assert "taps" in card(widget, "sharpen").problem_label.text()
    assert not widget.footer.run.isEnabled()
    assert "taps" in widget.footer.status.text()
    taps.box.setPlainText("[1]")
    assert card(widget, "sharpen").problem_label.text() == ""
    assert widget.footer.run.isEnabled()


def test_stages_of_any_plugin_can_be_replaced_added_and_removed(open_panel):
    widget = open_panel(IMAGE)
    menu = card(widget, "sharpen").menu
    names = [menu.itemText(i) for i in range(menu.count())]
    assert {"sharpen", "wiener"} <= set(names)
    assert "tests" in menu.itemData(names.index("sharpen"), Qt.ItemDataRole.ToolTipRole)
    menu.choose("wiener")
    menu.activated.emit(menu.currentIndex())
    assert [s.name for s in widget.steps.draft().steps] == ["guess", "wiener", "limit"]
    widget.steps.add("postprocess", "fails")
    widget.steps.cards[0].removed.emit()
    assert [s.name for s in widget.steps.draft().steps] == ["wiener", "limit", "fails"]
    assert not widget.psf.menu.is_enabled(0)
    assert widget.psf.origin == "layer"


def test_two_kernel_steps_are_reported(open_panel):
    widget = open_panel(IMAGE)
    widget.steps.add("kernel", "guess")
    assert "one kernel step" in widget.footer.status.text()
    assert not widget.footer.run.isEnabled()


def test_broken_plugins_are_disabled_with_their_reason(open_panel):
    widget = open_panel(IMAGE)
    for menu in (widget.pipelines.menu, card(widget, "sharpen").menu):
        texts = [menu.itemText(i) for i in range(menu.count())]
        index = next(i for i, text in enumerate(texts) if "shiny" in text)
        assert not menu.is_enabled(index)
        assert "shiny_cuda" in menu.itemData(index, Qt.ItemDataRole.ToolTipRole)
    assert "shiny_cuda" in widget.messages.text


def test_saving_and_opening_again(open_panel, tmp_path, monkeypatch):
    widget = open_panel(IMAGE)
    card(widget, "sharpen").form.editors["iterations"].box.setValue(42)
    target = tmp_path / "mine.yaml"
    monkeypatch.setattr(
        "napari_unblur.panels.pipeline_panel.QFileDialog.getSaveFileName",
        lambda *_args, **_kwargs: (str(target.with_suffix("")), ""),
    )
    widget.pipelines.save.click()
    saved = Pipeline.load(target)
    assert saved.steps[1].params == {"iterations": 42}
    assert widget.pipelines.menu.currentText() == "mine.yaml"
    assert "Edited." not in widget.pipelines.summary.text()
    card(widget, "sharpen").form.editors["iterations"].box.setValue(1)
    widget.open_pipeline(str(target))
    assert widget.steps.draft().pipeline() == saved


def test_a_failure_to_save_is_reported(open_panel, tmp_path):
    widget = open_panel(IMAGE)
    widget.save_pipeline(str(tmp_path / "nowhere" / "mine.yaml"))
    assert "cannot be written" in widget.messages.text
    assert list(tmp_path.glob("**/*.partial")) == []


def test_the_copied_command_is_that_of_the_run(open_panel, tmp_path):
    widget = open_panel(IMAGE)
    card(widget, "sharpen").form.editors["iterations"].box.setValue(6)
    widget.options.seed.setValue(5)
    widget.pipelines.copy.click()
    words = QApplication.clipboard().text().split()
    assert words[:2] == ["unblur", "run"]
    assert words[2].endswith("test.yaml")
    assert "deconvolve.iterations=6" in words
    assert words[-2:] == ["--seed", "5"]


def test_recent_files_are_offered_again(open_panel, qtbot, pipeline_file):
    from napari_unblur.widget import DeblurWidget

    first = open_panel(IMAGE)
    first.open_pipeline(pipeline_file(KNOWN_PSF, "remembered.yaml"))
    second = DeblurWidget(first.viewer)
    qtbot.addWidget(second)
    qtbot.waitUntil(lambda: second.registry is not None, timeout=20_000)
    menu = second.pipelines.menu
    assert "remembered.yaml" in [menu.itemText(i) for i in range(menu.count())]
    second.close_queues()


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_both_themes_have_a_style(open_panel, theme):
    widget = open_panel(IMAGE)
    widget.viewer.theme = theme
    assert "#runButton" in widget.styleSheet()


def test_all_controls_fit_the_width_of_the_panel(open_panel, qtbot):
    data = np.zeros((2, 3, 20, 20), np.float32)
    widget = open_panel(data, pipeline=BLIND, scale=(1, 1, 0.022, 0.022), units=("um",) * 4)
    widget.viewer.add_points([(0, 0, 5, 5)], name="a layer of points with a rather long name")
    widget.psf.choose("points")
    for section in widget.sections.values():
        section.header.setChecked(True)
    content = widget.scroll_area.widget()
    # The width of the panel without the scroll bar.
    assert content.minimumSizeHint().width() <= 320
    assert widget.footer.minimumSizeHint().width() <= 324


def test_the_wheel_does_not_change_values(open_panel, qtbot):
    from qtpy.QtCore import QPoint, QPointF
    from qtpy.QtGui import QWheelEvent

    widget = open_panel(IMAGE)
    box = card(widget, "sharpen").form.editors["iterations"].box
    before = box.value()
    event = QWheelEvent(
        QPointF(5, 5), QPointF(5, 5), QPoint(0, 0), QPoint(0, 120),
        Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(box, event)
    assert box.value() == before
    assert Sharpen.Params().iterations == before
