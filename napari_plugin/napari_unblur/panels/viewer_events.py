"""Connection of callbacks to the events of a napari viewer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from weakref import WeakMethod

if TYPE_CHECKING:
    import napari


def connect_viewer(
    viewer: napari.viewer.Viewer,
    on_layers: Callable[..., None],
    on_view: Callable[..., None],
    on_theme: Callable[..., None],
) -> None:
    """Connect callbacks to a viewer.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        The viewer.
    on_layers : callable
        Called when layers are added, removed, moved or renamed.
    on_view : callable
        Called when the camera or the current slice changes.
    on_theme : callable
        Called when the theme changes.

    Notes
    -----
    The callbacks are bound methods; the viewer keeps weak references to them alone, so that it
    does not keep a closed widget alive.
    """
    layers_changed = WeakMethod(on_layers)

    def watch_name(event: Any) -> None:
        callback = layers_changed()
        if callback is not None:
            event.value.events.name.connect(callback)

    layers = viewer.layers.events
    for event in (layers.inserted, layers.removed, layers.reordered):
        event.connect(on_layers)
    layers.inserted.connect(watch_name)
    for layer in viewer.layers:
        layer.events.name.connect(on_layers)
    camera = getattr(viewer, "scene", viewer).camera  # in the scene since napari 0.9
    for event in (camera.events.center, camera.events.zoom, viewer.dims.events.current_step):
        event.connect(on_view)
    viewer.events.theme.connect(on_theme)
