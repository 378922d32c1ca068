"""Reading and writing images and kernels in every format the project knows.

Values are never rescaled, and the metadata of a format besides its pixels (axes, channel names,
pixel size, headers, profiles, chunks) is put back when a result is written.
"""

from __future__ import annotations

from unblur.io.files import partial_path, publish, split_part
from unblur.io.kernel_writer import write_kernel
from unblur.io.kernels import read_kernel, read_kernel_values
from unblur.io.open import READERS, read_image
from unblur.io.save import WRITERS, check_output, create_store, write_image

__all__ = [
    "READERS",
    "WRITERS",
    "check_output",
    "create_store",
    "partial_path",
    "publish",
    "read_image",
    "read_kernel",
    "read_kernel_values",
    "split_part",
    "write_image",
    "write_kernel",
]
