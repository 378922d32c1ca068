"""napari reader of pipeline files, which opens them in the widget."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

NO_LAYERS: list[tuple[None]] = [(None,)]
"""Return value of a reader that adds no layer."""

PLUGIN = "unblur"
"""Name of the plugin in the manifest."""

WIDGET = "Deblur"
"""Name of the widget in the manifest."""


def read_pipeline(path: str | list[str]) -> Callable[[Any], list[tuple[None]]] | None:
    """Return a reader if `path` is one YAML file that lists steps, else `None`."""
    if not isinstance(path, str) or not path.lower().endswith((".yaml", ".yml")):
        return None
    try:
        head = Path(path).read_text("utf-8")[:100_000]
    except (OSError, UnicodeDecodeError):
        return None
    return _open if "steps:" in head else None


def _open(path: str | list[str]) -> list[tuple[None]]:
    import napari

    viewer = napari.current_viewer()
    if viewer is not None:
        show_widget(viewer).open_pipeline(path if isinstance(path, str) else path[0])
    return NO_LAYERS


def show_widget(viewer: Any) -> Any:
    """Return the widget of `viewer`; open it if necessary."""
    dock, widget = viewer.window.add_plugin_dock_widget(PLUGIN, WIDGET)
    dock.show()
    return widget
