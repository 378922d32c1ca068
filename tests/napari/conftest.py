"""Fixtures: a display, a viewer with the widget, and stages of adjustable speed."""

from __future__ import annotations

import atexit
import gc
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import stages_for_widget

napari = pytest.importorskip("napari", reason="the extra 'napari' is not installed")


def _start_display() -> None:
    """Start a virtual X server if there is no display; without one Qt aborts the process."""
    if not sys.platform.startswith("linux"):
        return
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        return
    server = shutil.which("Xvfb")
    if server is None:
        pytest.skip("no display and no Xvfb to make one", allow_module_level=True)
    read_end, write_end = os.pipe()
    process = subprocess.Popen(
        [server, "-displayfd", str(write_end), "-screen", "0", "1600x1000x24", "-nolisten", "tcp"],
        pass_fds=(write_end,),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        number = pipe.readline().strip()
    if not number:
        pytest.skip("Xvfb does not start", allow_module_level=True)
    os.environ["DISPLAY"] = f":{number}"
    atexit.register(process.terminate)


_start_display()


BLIND = """\
summary: Blind, for tests.
steps:
  - kernel: guess
  - deconvolve: sharpen
  - postprocess: limit
"""

KNOWN_PSF = """\
summary: With a PSF, for tests.
steps:
  - deconvolve: sharpen
"""


@pytest.fixture(scope="session")
def frozen_libraries() -> None:
    """Make the objects of the libraries permanent; this shortens each collection of garbage."""
    from unblur.plugins.manager import registry

    registry()
    gc.freeze()


@pytest.fixture(autouse=True)
def settings_of_this_test(tmp_path: Path, frozen_libraries: None) -> Iterator[None]:
    """Keep the list of recent files of each test apart from the settings of the user.

    The windows of the test are garbage-collected here, on the UI thread: in a worker thread of
    the next test, where the collector may run as well, Qt would abort.
    """
    from qtpy.QtCore import QSettings

    folder = str(tmp_path / "settings")
    QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, folder)
    yield
    gc.collect()
    gc.freeze()  # what this test has imported, the next collection need not visit


@pytest.fixture
def registry() -> Iterator[Any]:
    """The registry with the test stages and a broken plugin."""
    from unblur.plugins.manager import registry

    with stages_for_widget.registered(registry()):
        yield registry()


@pytest.fixture
def pipeline_file(tmp_path: Path) -> Callable[[str, str], str]:
    """Write a pipeline file and return its path."""

    def write(text: str, name: str = "test.yaml") -> str:
        path = tmp_path / name
        path.write_text(text)
        return str(path)

    return write


@pytest.fixture
def open_panel(registry: Any, qtbot: Any, pipeline_file: Any) -> Iterator[Callable[..., Any]]:
    """Make the widget for a viewer without a window, which is faster; it lacks only a canvas."""
    yield from _opener(lambda _show: napari.components.ViewerModel(), qtbot, pipeline_file)


@pytest.fixture
def open_widget(
    make_napari_viewer: Any, registry: Any, qtbot: Any, pipeline_file: Any
) -> Iterator[Callable[..., Any]]:
    """Open a window with the widget docked."""
    yield from _opener(lambda show: make_napari_viewer(show=show), qtbot, pipeline_file)


def _opener(
    make_viewer: Callable[[bool], Any], qtbot: Any, pipeline_file: Any
) -> Iterator[Callable[..., Any]]:
    from napari_unblur.model.layers import IN_MEMORY
    from napari_unblur.widget import DeblurWidget

    opened: list[DeblurWidget] = []

    def build(
        data: Any = None,
        *,
        pipeline: str = BLIND,
        show: bool = False,
        in_memory: int = IN_MEMORY,
        **style: Any,
    ) -> Any:
        viewer = make_viewer(show)
        if data is not None:
            viewer.add_image(data, **{"name": "image", **style})
        widget = DeblurWidget(viewer, in_memory)
        opened.append(widget)
        if hasattr(viewer, "window"):
            viewer.window.add_dock_widget(widget, name="Deblur", area="right")
        else:
            qtbot.addWidget(widget)
        qtbot.waitUntil(lambda: widget.registry is not None, timeout=20_000)
        widget.open_pipeline(pipeline_file(pipeline))
        return widget

    yield build
    for widget in opened:
        widget.close_queues()


@pytest.fixture
def wait_until_idle(qtbot: Any) -> Callable[[Any], None]:
    """Wait until no task of a widget is running or waiting."""

    def wait(widget: Any, timeout: int = 20_000) -> None:
        qtbot.waitUntil(
            lambda: (
                not (widget.queue.is_busy or widget.side_queue.is_busy or widget.runner.is_active)
            ),
            timeout=timeout,
        )

    return wait


@pytest.fixture(scope="module")
def manifests():
    """Register the manifests of the installed plugins; again in another module, it does nothing.

    napari's own start also registers their commands, which raises an error the second time in one
    process, as happens after a test that opened a window in between.
    """
    from npe2 import PluginManager

    PluginManager.instance().discover()


@pytest.fixture
def opened(manifests):
    """Open a file in a viewer without a window, by the reader of the package."""
    from napari.components import ViewerModel

    viewer = ViewerModel()
    return lambda path, **options: viewer.open(str(path), plugin="unblur", **options)
