"""A conda channel on disk, made of the packages that are installed in this environment."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

PYPI_NAMES = {"pytorch": "torch", "dask-core": "dask"}
"""Names on PyPI of the packages that conda-forge has under another name."""

CONDA_NAMES = {pypi: conda for conda, pypi in PYPI_NAMES.items()}
SERIES = f"{sys.version_info.major}.{sys.version_info.minor}"
LIBRARY = f"lib/python{SERIES}"
_NOT_PACKED = {"site-packages", "test", "idlelib", "__pycache__"}


def write_channel(folder: Path, names: Sequence[str]) -> list[str]:
    """Write the named packages, all that they require, and Python; return their names.

    Raises
    ------
    PackageNotFoundError
        If one of them is not installed here.
    """
    from rattler.index import index_fs

    target = folder / _platform()
    target.mkdir(parents=True)
    (folder / "noarch").mkdir()
    _write_python(target)
    done: dict[str, None] = {}
    waiting = [PYPI_NAMES.get(name, name) for name in names]
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name not in done:
            done[name] = None
            found = distribution(name)
            needs = list(_requirements(found))
            _write_distribution(target, name, found, needs)
            waiting += [need.name for need in needs]
    asyncio.run(index_fs(folder))
    return ["python", *done]


def _platform() -> str:
    from rattler.platform import Platform

    return str(Platform.current())


def _requirements(found: Distribution, extras: Sequence[str] = ("",)) -> Iterator[Requirement]:
    """Yield what a distribution requires, with that of the extras which it names."""
    for line in found.requires or ():
        need = Requirement(line)
        if need.marker is None or any(need.marker.evaluate({"extra": e}) for e in extras):
            yield need
            if need.extras:
                inner = distribution(need.name)
                plain = {str(n) for n in _requirements(inner)}
                chosen = _requirements(inner, sorted(need.extras))
                yield from (n for n in chosen if str(n) not in plain)


def _write_distribution(
    target: Path, name: str, found: Distribution, needs: Sequence[Requirement]
) -> None:
    """Write a package of the files of a distribution, without its commands."""
    from rattler_build.package_assembler import FileEntry

    files = [
        FileEntry.from_paths(found.locate_file(path), f"{LIBRARY}/site-packages/{path}")
        for path in found.files or ()
        if not str(path).startswith("..") and path.suffix != ".pyc"
    ]
    depends = [f"python {SERIES}.*", *(_depends(need) for need in needs)]
    _write(target, CONDA_NAMES.get(name, name), found.version, depends, files)


def _depends(need: Requirement) -> str:
    name = canonicalize_name(need.name)
    return f"{CONDA_NAMES.get(name, name)} {need.specifier}".strip()


def _write_python(target: Path) -> None:
    """Write a package of the interpreter and its library."""
    from rattler_build.package_assembler import FileEntry

    base = Path(sys.base_prefix)
    command = Path(sys.executable).resolve()
    files = [FileEntry.from_paths(command, f"bin/{n}") for n in ("python", f"python{SERIES}")]
    library = base / LIBRARY
    for top in library.iterdir():
        if top.name not in _NOT_PACKED and not top.name.startswith("config-"):
            paths = [top] if top.is_file() else top.rglob("*")
            files += [
                FileEntry.from_paths(path, str(path.relative_to(base)))
                for path in paths
                if path.is_file() and path.suffix != ".pyc"
            ]
    version = ".".join(map(str, sys.version_info[:3]))
    _write(target, "python", version, [], files)


def _write(target: Path, name: str, version: str, depends: list[str], files: list[object]) -> None:
    from rattler_build import assemble_package

    assemble_package(
        name,
        Version(version).public,
        _platform(),
        "0",
        target,
        files=files,
        depends=depends,
        compression_level=1,
        detect_prefix=False,
    )
