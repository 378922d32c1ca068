"""Sets of blurred images with their truth, read from disk."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from unblur.errors import UsageError
from unblur.model.params import describe_errors

BLURRED = ("blurred_16bit", "blurred_y", "blurred")
SHARP = ("sharp_16bit", "sharp", "truth")
KERNELS = ("kernels_f32", "kernels", "psf")
"""Folder names of blurred images, sharp images and kernels, the most precise first."""


class Protocol(BaseModel):
    """Protocol for the comparison of a result with the truth."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    align: bool = Field(
        True,
        description="Score at the best shift, because blind kernels are determined up to a shift.",
    )
    border: int = Field(15, ge=0, description="Pixels excluded at each side.")
    search: float = Field(5.0, ge=0, description="Largest shift tried, pixels.")
    step: float = Field(0.25, gt=0, description="Distance between the shifts tried, pixels.")


@dataclass(frozen=True)
class ImagePair:
    """A blurred image, its truth and, where it is known, its kernel."""

    name: str
    blurred: Path
    sharp: Path
    kernel: Path | None = None


@dataclass(frozen=True)
class PairSet:
    """Pairs that are scored together.

    Attributes
    ----------
    name : str
        Name of the set in tables.
    folder : Path
        Folder of the set.
    pairs : tuple of ImagePair
        Sorted by name.
    protocol : Protocol
        Protocol for the comparison of results.
    """

    name: str
    folder: Path
    pairs: tuple[ImagePair, ...]
    protocol: Protocol

    def subset(self, pattern: str | None, limit: int | None) -> PairSet:
        """Return the set with the pairs whose name matches, at most `limit`, evenly spread.

        Raises
        ------
        UsageError
            If no name matches.
        """
        pairs = [pair for pair in self.pairs if pattern is None or fnmatch(pair.name, pattern)]
        if not pairs:
            raise UsageError(f"no pair of {self.folder} matches '{pattern}'.")
        if limit is not None and limit < len(pairs):
            pairs = [pairs[i * len(pairs) // limit] for i in range(limit)]
        return PairSet(self.name, self.folder, tuple(pairs), self.protocol)


class SetFile(BaseModel):
    """A set described in YAML; patterns are relative to the file.

    `{name}` in `sharp` and `kernel` stands for what `*` matched in `blurred`; without it the
    names are matched as in a folder.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="Name of the set in tables.")
    blurred: str = Field(description="Pattern of the blurred images, e.g. blurred/*.png.")
    sharp: str = Field(description="Pattern of the sharp images.")
    kernel: str | None = Field(None, description="Pattern of the kernels.")
    protocol: Protocol = Field(Protocol(), description="Protocol for the comparison of results.")


def load_set(path: Path) -> PairSet:
    """Return the set in a folder or a set file.

    A folder has `blurred/`, `sharp/` and perhaps `kernels/`. A pair's name is the stem of its
    blurred image. Its sharp image and its kernel have the same name, or a name that occurs in it
    as separate words: `im1_kernel2_img` goes with `im1` and `kernel2`.

    Raises
    ------
    UsageError
        If there is no such set, or a blurred image lacks its sharp one.
    """
    if path.is_dir():
        chosen = [_folder(path, names) for names in (BLURRED, SHARP, KERNELS)]
        if chosen[0] is None or chosen[1] is None:
            raise UsageError(
                f"{path}: a set has a folder blurred (or {', '.join(BLURRED[:2])}) and a folder "
                f"sharp (or {SHARP[0]}), and perhaps kernels."
            )
        blurred, sharp, kernels = (_images(folder) for folder in chosen)
        return _set_of(path.resolve().name, path, blurred, sharp, kernels, Protocol())
    if path.suffix not in (".yaml", ".yml") or not path.is_file():
        raise UsageError(f"{path}: there is no such folder or set file (.yaml).")
    found = _read(path)
    folder = path.parent
    blurred = _matches(folder, found.blurred)
    sharp = _matches(folder, found.sharp)
    kernels = _matches(folder, found.kernel) if found.kernel else []
    return _set_of(found.name, folder, blurred, sharp, kernels, found.protocol)


def _read(path: Path) -> SetFile:
    try:
        return SetFile.model_validate(yaml.safe_load(path.read_text("utf-8")))
    except ValidationError as error:
        raise UsageError(f"{path}: {describe_errors(error, SetFile)}") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"{path}: is not a set file ({error}).") from None


def _matches(folder: Path, pattern: str) -> list[Path]:
    return sorted(folder.glob(pattern))


def _folder(path: Path, names: Sequence[str]) -> Path | None:
    return next((path / name for name in names if (path / name).is_dir()), None)


def _images(folder: Path | None) -> list[Path]:
    if folder is None:
        return []
    return sorted(p for p in folder.iterdir() if p.suffix.lower() not in ("", ".md", ".txt"))


def _set_of(
    name: str,
    folder: Path,
    blurred: Sequence[Path],
    sharp: Sequence[Path],
    kernels: Sequence[Path],
    protocol: Protocol,
) -> PairSet:
    if not blurred:
        raise UsageError(f"{folder}: there is no blurred image.")
    pairs = []
    for path in blurred:
        truth = find_match(path.stem, sharp)
        if truth is None:
            raise UsageError(f"{path}: there is no sharp image with a matching name.")
        pairs.append(ImagePair(path.stem, path, truth, find_match(path.stem, kernels)))
    return PairSet(name, folder, tuple(pairs), protocol)


def find_match(name: str, candidates: Sequence[Path]) -> Path | None:
    """Return the file that matches a name: the same stem, or the longest stem within it.

    Example
    -------
    >>> find_match("im1_kernel12_img", [Path("kernel1.tif"), Path("kernel12.tif")]).stem
    'kernel12'
    """
    same = [path for path in candidates if path.stem == name]
    if same:
        return same[0]
    within = [
        path
        for path in candidates
        if re.search(rf"(?<![^\W_]){re.escape(path.stem)}(?![^\W_])", name)
    ]
    return max(within, key=lambda path: len(path.stem), default=None)
