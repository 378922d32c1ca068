"""What goes wrong is told in a sentence that says what to do, and harms nothing."""

from __future__ import annotations

import numpy as np
from napari.components import ViewerModel
from napari.utils.notifications import notification_manager

from conftest import BLIND
from napari_unblur.panels.messages import KEPT, Messages, sentence
from unblur.errors import KernelError
from unblur.plugins.manager import registry

IMAGE = np.random.default_rng(0).random((40, 40)).astype(np.float32)


def failing(how):
    return BLIND.replace("limit", f"fails\n    params: {{how: {how}}}")


def test_errors_of_a_run_are_messages_not_dialogs(open_widget, settled):
    widget = open_widget(IMAGE, pipeline=failing("value"))
    shown = len(notification_manager.records)
    widget.footer.run.click()
    settled(widget)
    assert "seven is not eight" in widget.messages.text
    assert widget.messages.items[0].level == "error"
    assert len(notification_manager.records) == shown
    assert len(widget.viewer.layers) == 1
    assert widget.footer.run.isEnabled()


def test_want_of_memory_is_told_with_what_to_do(open_panel, settled):
    widget = open_panel(IMAGE, pipeline=failing("memory"))
    widget.footer.run.click()
    settled(widget)
    assert "not enough memory" in widget.messages.text
    assert "zarr" in widget.messages.text


def test_what_unblur_says_is_said_unchanged(open_panel, settled):
    widget = open_panel(np.full((40, 40), np.nan, np.float32), contrast_limits=(0, 1))
    widget.footer.run.click()
    settled(widget)
    assert "finite" in widget.messages.text
    assert "did not expect" not in widget.messages.text


def test_a_kernel_larger_than_the_image_is_told(open_panel, settled):
    widget = open_panel(IMAGE[:8, :8])
    widget.footer.run.click()
    settled(widget)
    assert "larger than the image" in widget.messages.text


def test_two_axes_of_one_meaning_are_told(open_panel, settled):
    widget = open_panel(np.zeros((2, 3, 20, 20), np.float32))
    for menu in widget.input.roles:
        menu.choose("Z")
    widget.footer.run.click()
    settled(widget)
    assert "two axes are set to depth" in widget.messages.text.lower()


def test_a_preview_that_fails_is_told(open_panel, settled):
    widget = open_panel(IMAGE, pipeline=failing("value"))
    widget.footer.preview.click()
    settled(widget)
    assert "seven is not eight" in widget.messages.text


def test_warnings_of_the_engine_are_passed_on(open_panel, settled):
    step = "sharpen\n    params: {iterations: 1, step: 1.0e-9}"
    widget = open_panel(IMAGE, pipeline=BLIND.replace("sharpen", step))
    widget.footer.run.click()
    settled(widget)
    assert "unchanged" in widget.messages.text
    assert any(item.level == "warning" for item in widget.messages.items)


def test_what_a_worker_says_meanwhile_is_shown(open_panel):
    widget = open_panel(IMAGE)
    widget.runner.said.emit("Out of memory with tiles of 1024; went on with 512.")
    assert "went on with 512" in widget.messages.text


def test_a_file_that_is_no_pipeline_is_told(open_panel, tmp_path):
    widget = open_panel(IMAGE)
    before = widget.steps.draft()
    bad = tmp_path / "bad.yaml"
    bad.write_text("summary: x\nstepps: []\n")
    widget.open_pipeline(str(bad))
    assert "did you mean 'steps'" in widget.messages.text
    assert widget.steps.draft() == before


def test_a_pipeline_with_an_unknown_stage_opens_and_says_which(open_panel, pipeline_file):
    widget = open_panel(IMAGE)
    widget.open_pipeline(pipeline_file("summary: x\nsteps:\n  - deconvolve: magic\n", "x.yaml"))
    assert "magic" in widget.footer.status.text()
    assert not widget.footer.run.isEnabled()


def test_methods_that_cannot_be_loaded_are_told(qtbot, monkeypatch):
    from napari_unblur import widget as module

    def broken():
        raise KernelError("torch is not installed; pip install torch.")

    monkeypatch.setattr(module, "load_methods", broken)
    widget = module.DeblurWidget(ViewerModel())
    qtbot.addWidget(widget)
    qtbot.waitUntil(lambda: not widget.side.is_busy, timeout=5000)
    assert "Torch is not installed; pip install torch." in widget.messages.text
    widget.side.close()


def test_few_messages_are_kept_and_each_once(qtbot):
    messages = Messages()
    qtbot.addWidget(messages)
    for word in ("one", "two", "three", "two", "four", "five"):
        messages.say(word)
    assert [item.text for item in messages.items] == ["five", "four", "two"]
    assert len(messages.items) == KEPT
    messages.items[0].button.click()
    assert messages.text == "four\ntwo"
    messages.clear()
    assert messages.isHidden()


def test_sentences_begin_with_a_capital():
    assert sentence(KernelError("the kernel holds NaN.")) == "The kernel holds NaN."
    assert "KeyError" in sentence(KeyError("x"))
    assert registry().broken == []
