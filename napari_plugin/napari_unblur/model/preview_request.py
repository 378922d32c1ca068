"""Input of a preview, as plain data."""

from __future__ import annotations

from dataclasses import dataclass

from napari_unblur.model.draft import Draft
from napari_unblur.model.layers import LayerSnapshot
from napari_unblur.model.preview_region import PreviewRegion, Viewport, preview_region
from unblur.model.kernel import KernelField


@dataclass(frozen=True, eq=False)
class PreviewRequest:
    """Everything that a preview depends on, collected on the UI thread.

    Attributes
    ----------
    snapshot : LayerSnapshot
        The layer.
    viewport : Viewport
        Its visible part.
    roles : tuple of str
        "T", "C" or "Z" for each leading axis.
    draft : Draft
        The pipeline as edited.
    psf : KernelField, optional
        The PSF, unless the pipeline estimates it.
    device : str
        As for `unblur.deblur`.
    seed : int
        As for `unblur.deblur`.
    """

    snapshot: LayerSnapshot
    viewport: Viewport
    roles: tuple[str, ...]
    draft: Draft
    psf: KernelField | None
    device: str
    seed: int

    def region(self) -> PreviewRegion:
        """Return the part of the layer to compute."""
        kernel = None if self.psf is None else self.psf.kernels[0][0]
        is_volume = kernel is not None and kernel.ndim == 3 and "Z" in self.roles
        return preview_region(
            self.viewport,
            self.snapshot.shape,
            () if kernel is None else kernel.half_width,
            self.roles.index("Z") if is_volume else None,
        )
