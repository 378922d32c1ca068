"""Trained weights as files: safetensors only, checked by hash, since a pickle may run code."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from unblur.errors import WeightsError, unknown_name

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

Model = TypeVar("Model", bound="Module")

_PICKLE_SUFFIXES = frozenset({".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".bin", ".mat"})
MAX_HEADER_BYTES = 10**7
"""Largest size of the header of a weights file, in bytes; that of the largest shipped is 16 kB."""

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


@dataclass(frozen=True)
class Pretrained(Generic[Model]):
    """The trained weights of a plugin: the files that it ships, and models built from them.

    Parameters
    ----------
    owner : str
        Name of the stage and of its trainer, for messages.
    folder : Path
        Where the shipped weights lie, as NAME.safetensors.
    shipped : mapping of str to str
        Their SHA-256, by name.
    build : callable
        Returns a model without weights. It is called with the params of the training that the
        file's header states (a dict, empty if there are none) and with the options of `load`.
    partial : bool
        Whether a file may hold more tensors than the model.
    """

    owner: str
    folder: Path
    shipped: Mapping[str, str]
    build: Callable[..., Model]
    partial: bool = False

    def find(self, name: str) -> tuple[Path, str | None]:
        """Return the file of that name and its hash; see `find_weights`."""
        return find_weights(name, self.folder, self.shipped, self.owner)

    def load(self, name: str, *options: Any) -> Model:
        """Return a model with weights, in evaluation mode and without gradients of its weights.

        Parameters
        ----------
        name : str
            Name of shipped weights, or the path of a file that `unblur train` wrote.
        *options
            Further arguments of `build`.

        Raises
        ------
        WeightsError
            If there are no such weights or they do not fit the model.
        """
        path, sha256 = self.find(name)
        tensors = load_weights(path, sha256)
        model = self.build(training_params(path), *options)
        wanted = model.state_dict()
        wrong = [k for k, v in wanted.items() if k not in tensors or tensors[k].shape != v.shape]
        wrong += [] if self.partial else sorted(tensors.keys() - wanted.keys())
        if wrong:
            raise WeightsError(
                f"'{path.name}' does not hold the {len(wanted)} tensors of this model of "
                f"'{self.owner}': {len(wrong)} differ, '{wrong[0]}' first. It belongs to another "
                f"model; give a file that `unblur train {self.owner}` wrote."
            )
        model.load_state_dict({key: tensors[key] for key in wanted})
        return model.requires_grad_(False).eval()


def training_params(path: Path) -> dict[str, Any]:
    """Return the params of the training that a safetensors file's header states, or none."""
    params = json.loads(load_metadata(path).get("params", "{}"))
    return params if isinstance(params, dict) else {}


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
    length, size = int.from_bytes(head[:8], "little"), path.stat().st_size
    if len(head) < 9 or length > size - 8:
        raise WeightsError(
            f"'{path}' is not a whole safetensors file: its header has {length} bytes, the file "
            f"{size}."
        )
    if length > MAX_HEADER_BYTES:
        raise WeightsError(
            f"'{path}' states a header of {length} bytes, more than {MAX_HEADER_BYTES}; it is "
            "damaged or not made for this program."
        )
    if sha256 is not None and (found := file_sha256(path)) != sha256:
        raise WeightsError(
            f"'{path.name}' was altered: its SHA-256 should be {sha256[:12]}… and is "
            f"{found[:12]}…; install the package again."
        )
