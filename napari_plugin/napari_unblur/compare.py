"""Before and after at the press of a key: hides and shows the layer that holds the result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_unblur.panels.footer import COMPARE_KEY

if TYPE_CHECKING:
    from napari.layers import Image as ImageLayer

    import napari


class Compare:
    """Knows which layer is "after" and toggles it."""

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        self._viewer = viewer
        self.layer: ImageLayer | None = None
        viewer.bind_key(COMPARE_KEY, self._pressed, overwrite=True)

    @property
    def is_possible(self) -> bool:
        """Whether there is an "after" to hide."""
        return self.layer is not None and self.layer in self._viewer.layers

    @property
    def shows_after(self) -> bool:
        """Whether the result is what one sees."""
        return self.is_possible and self.layer is not None and bool(self.layer.visible)

    def toggle(self) -> None:
        """Show what was hidden, hide what was shown."""
        if self.is_possible and self.layer is not None:
            self.layer.visible = not self.layer.visible

    def close(self) -> None:
        """Give the key back."""
        self._viewer.bind_key(COMPARE_KEY, None, overwrite=True)

    def _pressed(self, _viewer: object) -> None:
        self.toggle()
