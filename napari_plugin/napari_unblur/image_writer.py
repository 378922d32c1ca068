"""napari writer of image layers, which keeps pixel size, units, axes, names and headers."""

from __future__ import annotations

from collections.abc import Sequence

from napari_unblur.model.image_layers import LayerData, join_channels
from napari_unblur.model.layers import LayerCrop, LayerSnapshot
from unblur.io import write_image
from unblur.model.image import Image


def write_images(path: str, layers: Sequence[LayerData]) -> list[str]:
    """Write one layer, or several as the channels of one image, and return the path.

    The format is that of the suffix. A file that exists is replaced, as napari's own writers do
    after its dialog has asked.

    Raises
    ------
    UnblurError
        If the format cannot hold the layer, or several layers differ in shape, type or pixel size.
    """
    from napari.layers import Layer

    images = [_image(LayerSnapshot.of(Layer.create(*layer))) for layer in layers]
    image = images[0] if len(images) == 1 else join_channels(images)
    return [str(write_image(image, path, overwrite=True))]


def _image(snapshot: LayerSnapshot) -> Image:
    whole = tuple(slice(0, n) for n in snapshot.shape)
    return LayerCrop(whole, snapshot.guessed_roles()).image(snapshot)
