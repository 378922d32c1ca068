"""Errors, warnings and messages: sentences with a remedy, shown in the widget."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.utils.notifications import notification_manager

from conftest import BLIND
from napari_unblur.panels.messages import MAX_MESSAGES, Messages, error_text
from unblur.errors import KernelError
from unblur.plugins.manager import registry

IMAGE = np.random.default_rng(0).random((40, 40)).astype(np.float32)


def failing(how):
    return BLIND.replace("limit", f"fails\n    params: {{how: {how}}}")


def test_errors_of_a_run_are_messages_not_dialogs(open_widget, wait_until_idle):
    widget = open_widget(IMAGE, pipeline=failing("value"))
    shown = len(notification_manager.records)
    widget.footer.run.click()
    wait_until_idle(widget)
    assert "seven is not eight" in widget.messages.text
    assert widget.messages.items[0].severity == "error"
    assert len(notification_manager.records) == shown
    assert len(widget.viewer.layers) == 1
    assert widget.footer.run.isEnabled()


def test_a_memory_error_names_the_remedy(open_panel, wait_until_idle):
    widget = open_panel(IMAGE, pipeline=failing("memory"))
    widget.footer.run.click()
    wait_until_idle(widget)
    assert "does not fit in memory" in widget.messages.text
    assert "zarr" in widget.messages.text


def test_errors_of_unblur_are_shown_unchanged(open_panel, wait_until_idle):
    widget = open_panel(np.full((40, 40), np.nan, np.float32), contrast_limits=(0, 1))
    widget.footer.run.click()
    wait_until_idle(widget)
    assert "finite" in widget.messages.text
    assert "Unexpected error" not in widget.messages.text


def test_a_kernel_larger_than_the_image_is_reported(open_panel, wait_until_idle):
    widget = open_panel(IMAGE[:8, :8])
    widget.footer.run.click()
    wait_until_idle(widget)
    assert "larger than the image" in widget.messages.text


def test_two_axes_with_one_role_are_reported(open_panel, wait_until_idle):
    widget = open_panel(np.zeros((2, 3, 20, 20), np.float32))
    for menu in widget.input.roles:
        menu.choose("Z")
    widget.footer.run.click()
    wait_until_idle(widget)
    assert "two axes are set to depth" in widget.messages.text.lower()


def test_a_failed_preview_is_reported(open_panel, wait_until_idle):
    widget = open_panel(IMAGE, pipeline=failing("value"))
    widget.footer.preview.click()
    wait_until_idle(widget)
    assert "seven is not eight" in widget.messages.text


def test_warnings_of_the_engine_are_shown(open_panel, wait_until_idle):
    step = "sharpen\n    params: {iterations: 1, step: 1.0e-9}"
    widget = open_panel(IMAGE, pipeline=BLIND.replace("sharpen", step))
    widget.footer.run.click()
    wait_until_idle(widget)
    assert "unchanged" in widget.messages.text
    assert any(item.severity == "warning" for item in widget.messages.items)


def test_messages_of_a_worker_are_shown(open_panel):
    widget = open_panel(IMAGE)
    widget.runner.message.emit("Out of memory with tiles of 1024; went on with 512.")
    assert "went on with 512" in widget.messages.text


def test_a_file_that_is_no_pipeline_is_reported(open_panel, tmp_path):
    widget = open_panel(IMAGE)
    before = widget.steps.draft()
    bad = tmp_path / "bad.yaml"
    bad.write_text("summary: x\nstepps: []\n")
    widget.open_pipeline(str(bad))
    assert "did you mean 'steps'" in widget.messages.text
    assert widget.steps.draft() == before


def test_a_pipeline_with_an_unknown_stage_opens_and_names_it(open_panel, pipeline_file):
    widget = open_panel(IMAGE)
    widget.open_pipeline(pipeline_file("summary: x\nsteps:\n  - deconvolve: magic\n", "x.yaml"))
    assert "magic" in widget.footer.status.text()
    assert not widget.footer.run.isEnabled()


def test_a_failure_to_load_the_methods_is_reported(qtbot):
    from napari_unblur.widget import DeblurWidget

    def broken():
        raise KernelError("torch is not installed; pip install torch.")

    widget = DeblurWidget(ViewerModel(), load=broken)
    qtbot.addWidget(widget)
    qtbot.waitUntil(lambda: not widget.side_queue.is_busy, timeout=5000)
    assert "Torch is not installed; pip install torch." in widget.messages.text
    widget.close_queues()


def test_messages_are_limited_and_unique(qtbot):
    messages = Messages()
    qtbot.addWidget(messages)
    for word in ("one", "two", "three", "two", "four", "five"):
        messages.add(word)
    assert [item.text for item in messages.items] == ["five", "four", "two"]
    assert len(messages.items) == MAX_MESSAGES
    messages.items[0].button.click()
    assert messages.text == "four\ntwo"
    messages.clear()
    assert messages.isHidden()


def test_error_texts_begin_with_a_capital():
    assert error_text(KernelError("the kernel holds NaN.")) == "The kernel holds NaN."
    assert "KeyError" in error_text(KeyError("x"))
    assert registry().broken == []


def test_an_error_inside_a_plugin_is_for_its_authors(monkeypatch):
    code = "class Stage:\n    def process(self):\n        raise ValueError('too few stars')\n"
    module = {"__name__": "foreign.stages"}
    exec(code, module)
    monkeypatch.setitem(registry().origins, module["Stage"], "foreign")
    with pytest.raises(ValueError, match="too few stars") as caught:
        module["Stage"]().process()
    text = error_text(caught.value)
    assert text.startswith("The plugin 'foreign' failed in Stage.process: ValueError: too few")
    assert "report it to its authors" in text
