"""Before and after: hides or shows the result layer on a key press."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_unblur.panels.footer import COMPARE_KEY

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer

    import napari


class Compare:
    """Hides and shows one layer, the result or the preview.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Receives the key binding.

    Attributes
    ----------
    layer : napari.layers.Image, optional
        The layer.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self._viewer = viewer
        self.layer: ImageLayer | None = None
        viewer.bind_key(COMPARE_KEY, self._pressed, overwrite=True)

    @property
    def is_possible(self) -> bool:
        """Whether the layer is in the viewer."""
        return self.layer is not None and self.layer in self._viewer.layers

    @property
    def shows_after(self) -> bool:
        """Whether the layer is in the viewer and visible."""
        return self.is_possible and self.layer is not None and bool(self.layer.visible)

    def toggle(self) -> None:
        """Hide the layer if it is visible, else show it."""
        if self.is_possible and self.layer is not None:
            self.layer.visible = not self.layer.visible

    def close(self) -> None:
        """Remove the key binding."""
        self._viewer.bind_key(COMPARE_KEY, None, overwrite=True)

    def _pressed(self, _viewer: object) -> None:
        self.toggle()
