"""Trained weights as files: safetensors only, checked by hash, since a pickle may run code."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from unblur.errors import WeightsError, unknown_name

if TYPE_CHECKING:
    from torch import Tensor

_PICKLE_SUFFIXES = frozenset({".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".bin", ".mat"})
_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def load_weights(path: Path | str, sha256: str | None = None) -> dict[str, Tensor]:
    """Read named tensors from a safetensors file.

    Parameters
    ----------
    path : path
        A `.safetensors` file.
    sha256 : str, optional
        What the file's hash must be; shipped weights always state it.

    Returns
    -------
    dict of str to Tensor
        On the CPU, in the dtypes of the file.

    Raises
    ------
    WeightsError
        If the file is missing, is a pickle, is damaged, or has another hash.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = Path(path)
    _check(path, sha256)
    try:
        return load_file(path)
    except SafetensorError as error:
        raise WeightsError(f"'{path}' is not a whole safetensors file: {error}.") from None


def find_weights(
    name: str, folder: Path, shipped: Mapping[str, str], owner: str
) -> tuple[Path, str | None]:
    """Return the file that a stage's param names, and the hash that it must have.

    Parameters
    ----------
    name : str
        A key of `shipped`, or the path of a file of one's own, which may have any hash.
    folder : Path
        Where the shipped weights lie, as NAME.safetensors.
    shipped : mapping of str to str
        Their SHA-256.
    owner : str
        Whose weights they are, for messages.

    Raises
    ------
    WeightsError
        If the name is neither.
    """
    if name in shipped:
        return folder / f"{name}.safetensors", shipped[name]
    path = Path(name)
    if path.suffix or path.exists():
        return path, None
    raise WeightsError(unknown_name(f"set of {owner} weights", name, shipped))


def load_metadata(path: Path | str) -> dict[str, str]:
    """Return the text entries in the header of a safetensors file."""
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    _check(path, None)
    try:
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except SafetensorError as error:
        raise WeightsError(f"'{path}' is not a whole safetensors file: {error}.") from None


def save_weights(
    tensors: Mapping[str, Tensor], path: Path | str, metadata: Mapping[str, str] | None = None
) -> str:
    """Write named tensors to a safetensors file and return its SHA-256.

    The file appears under its name only when whole.
    """
    from safetensors.torch import save

    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        # Not `save_file`, which makes files that none but their owner may read.
        temporary.write_bytes(save(plain, dict(metadata or {})))
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return file_sha256(path)


def _check(path: Path, sha256: str | None) -> None:
    if not path.is_file():
        raise WeightsError(f"there is no weights file '{path}'.")
    with path.open("rb") as stream:
        head = stream.read(9)
    # A safetensors file begins with the length of its header, any eight bytes, and the header.
    pickled = head.startswith((_ZIP, _PICKLE)) and head[8:] != b"{"
    if path.suffix.lower() in _PICKLE_SUFFIXES or pickled:
        raise WeightsError(
            f"'{path.name}' is a pickle, which can run any code when it is read; weights are "
            "safetensors files, so convert it where you trust it (safetensors.torch.save_file)."
        )
    if sha256 is not None and (found := file_sha256(path)) != sha256:
        raise WeightsError(
            f"'{path.name}' was altered: its SHA-256 should be {sha256[:12]}… and is "
            f"{found[:12]}…; install the package again."
        )
