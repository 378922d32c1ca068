"""Take the manual's screenshots of the napari widget.

Usage: python docs/screenshots.py [SCENE …]. Needs a display; `xvfb-run -s "-screen 0
1600x1000x24" python docs/screenshots.py` runs without a screen. The images are written to
docs/images.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtCore import QSettings
from qtpy.QtWidgets import QApplication

import napari

IMAGES = Path(__file__).parent / "images"
SIZE = (1280, 800)
TIMEOUT = 600.0
"""Longest duration of a step of a scene, seconds."""


class WidgetWindow:
    """A napari window with a sample image and the widget, operated through its controls."""

    def __init__(self, sample: str, theme: str) -> None:
        self.viewer = napari.Viewer(show=True)
        self.viewer.theme = theme
        self.viewer.window.resize(*SIZE)
        self.viewer.open_sample("unblur", sample)
        dock, self.widget = self.viewer.window.add_plugin_dock_widget("unblur", "Deblur")
        dock.show()
        self.wait(lambda: self.widget.registry is not None)

    def wait(self, ready: Callable[[], bool]) -> None:
        """Process events until `ready` returns true, and for another 0.4 s."""
        end = time.monotonic() + TIMEOUT
        while not ready():
            if time.monotonic() > end:
                raise TimeoutError(self.widget.messages.text or self.widget.footer.status.text())
            QApplication.processEvents()
            time.sleep(0.005)
        moment = time.monotonic() + 0.4
        while time.monotonic() < moment:
            QApplication.processEvents()

    def wait_until_idle(self) -> None:
        """Wait until no task is queued or running."""
        widget = self.widget
        self.wait(
            lambda: (
                not (widget.queue.is_busy or widget.side_queue.is_busy or widget.runner.is_active)
            )
        )

    def save(self, name: str) -> None:
        """Save a screenshot of the window and close it."""
        IMAGES.mkdir(exist_ok=True)
        self.viewer.window.screenshot(str(IMAGES / name), canvas_only=False, flash=False)
        self.widget.close_queues()
        self.viewer.close()

    def set_param(self, name: str, value: float) -> None:
        """Enter a param of the first step."""
        self.widget.steps.cards[0].form.editors[name].box.setValue(value)

    def mark(self, positions: Any, size: float) -> Any:
        """Add points at `positions`, in pixels, and choose them as the source of the PSF."""
        layer = self.widget.input.layer
        world = np.asarray(positions) * layer.scale
        points = self.viewer.add_points(
            world, name="marks", size=size * layer.scale[-1], face_color="transparent",
            border_color="#ffb454", border_width=0.08, units=layer.units,
        )  # fmt: skip
        panel = self.widget.psf
        panel.choose("points")
        panel.points.choose(points)
        return points


def photograph() -> None:
    """A blurred photograph, deblurred blind."""
    scene = WidgetWindow("photograph", "dark")
    scene.widget.open_pipeline("photograph")
    scene.widget.run()
    scene.wait_until_idle()
    scene.save("napari-photograph.png")


def preview() -> None:
    """A preview of the visible region, in the light theme."""
    scene = WidgetWindow("photograph", "light")
    scene.widget.open_pipeline("photograph")
    scene.viewer.scene.camera.zoom *= 1.6
    scene.wait(lambda: True)
    scene.widget.footer.live.click()
    scene.wait(lambda: scene.widget.preview.layer is not None)
    scene.wait_until_idle()
    scene.save("napari-preview.png")


def stars() -> None:
    """The PSF of a telescope from marked stars."""
    scene = WidgetWindow("stars", "light")
    scene.widget.open_pipeline("richardson-lucy")
    positions = [(61, 33), (156, 77), (171, 185), (200, 217), (98, 138), (199, 45), (126, 23)]
    scene.mark(positions, 14)
    scene.widget.psf.window_width.setValue(25)
    scene.widget.psf.estimate.click()
    scene.wait_until_idle()
    # The sky background, 60 counts, relative to the white of 2047 that the engine chose.
    scene.set_param("background", 60 / 2047)
    scene.widget.run()
    scene.wait_until_idle()
    scene.save("napari-stars.png")


def beads() -> None:
    """A confocal stack with a 3-D PSF from its own beads, while it runs."""
    scene = WidgetWindow("beads", "dark")
    scene.widget.open_pipeline("richardson-lucy")
    stack = scene.viewer.layers["beads"].data.astype(float)
    positions = brightest(stack, 4)
    scene.mark(positions, 20)
    scene.viewer.dims.set_current_step(0, positions[0][0])
    scene.widget.psf.window_width.setValue(25)
    scene.widget.psf.window_depth.setValue(19)
    scene.widget.psf.estimate.click()
    scene.wait_until_idle()
    scene.widget.run()
    scene.wait(lambda: "left" in scene.widget.footer.status.text())
    scene.save("napari-beads.png")


def brightest(stack: Any, count: int) -> list[tuple[int, ...]]:
    """Return the positions of the `count` brightest spots, at least 16 pixels apart."""
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(stack, 2)
    found: list[tuple[int, ...]] = []
    for _ in range(count):
        position = np.unravel_index(int(smooth.argmax()), smooth.shape)
        found.append(tuple(int(i) for i in position))
        _, row, column = found[-1]
        smooth[:, max(row - 15, 0) : row + 16, max(column - 15, 0) : column + 16] = 0
    return found


SCENES = {scene.__name__: scene for scene in (photograph, preview, stars, beads)}

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        scope = QSettings.Scope.UserScope
        QSettings.setPath(QSettings.Format.IniFormat, scope, folder)
        for name in sys.argv[1:] or SCENES:
            SCENES[name]()
