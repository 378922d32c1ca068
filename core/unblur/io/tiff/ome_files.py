"""Sets of files that make up one OME-TIFF, and metadata in a companion file."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

from unblur.errors import ImageError
from unblur.io.size_limits import MAX_PAGES, check_count
from unblur.io.tiff.ome_xml import local_name, parse, pixels_of
from unblur.io.tiff.tag_checks import check_tags


def open_tiff(path: Path) -> Any:
    """Return an open `tifffile.TiffFile`, with the OME-XML of its companion where it has one.

    Raises
    ------
    ImageError
        If the file says that its metadata are in a companion file which is not there.
    """
    import tifffile

    check_tags(path)
    tif = tifffile.TiffFile(path)
    try:
        _check_set(tif, path)
        companion = _companion(tif, path)
        if companion is None:
            return tif
    except ImageError:
        tif.close()
        raise
    tif.close()
    tif = tifffile.TiffFile(path, omexml=companion.read_text(encoding="utf-8"))
    try:
        _check_set(tif, path)
    except ImageError:
        tif.close()
        raise
    return tif


def _check_set(tif: Any, path: Path) -> None:
    """Raise `ImageError` if OME-XML names a file in another folder or states too many planes."""
    root = parse(tif.ome_metadata) if tif.is_ome and tif.ome_metadata else None
    for element in () if root is None else root.iter():
        kind = local_name(element)
        if kind == "UUID" and Path(str(element.get("FileName", ""))).name != element.get(
            "FileName", ""
        ):
            raise ImageError(
                f"{path}: its metadata name a file in another folder "
                f"({element.get('FileName')!r}); copy the whole set into one folder."
            )
        if kind == "Pixels":
            sizes = [str(element.get(f"Size{axis}", "1")) for axis in "TCZYX"]
            if not all(size.isdecimal() and 0 < len(size) < 20 for size in sizes):
                raise ImageError(f"{path}: its metadata state the sizes {' x '.join(sizes)[:200]}.")
            check_count(prod(int(size) for size in sizes[:3]), MAX_PAGES, "planes", path)


def _companion(tif: Any, path: Path) -> Path | None:
    """Return the file that holds the metadata of a BinaryOnly file, or None for any other."""
    root = parse(tif.ome_metadata) if tif.is_ome and tif.ome_metadata else None
    found = [] if root is None else [c for c in root if local_name(c) == "BinaryOnly"]
    if not found:
        return None
    (binary,) = found[:1]
    name = Path(str(binary.get("MetadataFile", ""))).name
    companion = path.parent / name
    if not name or not companion.is_file() or companion.stat().st_size == 0:
        raise ImageError(
            f"{path} holds pixels alone; its axes and sizes are in {name or 'another file'}, which "
            "is missing or empty; copy that file into the same folder."
        )
    if companion.suffix.lower() in (".tif", ".tiff", ".btf"):
        raise ImageError(f"{path} is one file of a set; open {companion} instead.")
    return companion


def check_files_of_set(tif: Any, series: Any, number: int, path: Path) -> None:
    """Raise `ImageError` if a file or a plane of an OME-TIFF image is missing or empty.

    Readers commonly take such planes for zeros.
    """
    root = parse(tif.ome_metadata) if tif.is_ome and tif.ome_metadata else None
    pixels = None if root is None else pixels_of(root, number)
    if root is None or pixels is None:
        return
    own = root.get("UUID")
    names = {
        str(uuid.get("FileName"))
        for data in pixels
        if local_name(data) == "TiffData"
        for uuid in data
        if local_name(uuid) == "UUID" and uuid.get("FileName") and (uuid.text or "").strip() != own
    }
    for name in sorted(names):
        file = path.parent / Path(name).name
        if file.name != path.name and not (file.is_file() and file.stat().st_size):
            raise ImageError(
                f"{path} is one of {len(names | {path.name})} files of one image, of which {name} "
                "is missing or empty; copy the whole set into one folder."
            )
    absent = sum(page is None for page in series.pages)
    if absent:
        raise ImageError(
            f"{path}: {absent} of the {len(series.pages)} planes that its metadata list are in no "
            "file; export the image again."
        )


def image_parts(tif: Any) -> list[int]:
    """Return the numbers of the series that are images, not thumbnails or masks of others."""
    if tif.is_ome and any(series.kind == "ome" for series in tif.series):
        return [n for n, series in enumerate(tif.series) if series.kind == "ome"]
    return [
        n
        for n, series in enumerate(tif.series)
        if series.kind != "unknown" and not series.keyframe.is_reduced and not _is_mask(series)
    ]


def _is_mask(series: Any) -> bool:
    return bool(int(series.keyframe.subfiletype) & 4)
