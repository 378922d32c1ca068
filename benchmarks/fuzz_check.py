"""One fuzz case: what the product does with a changed file, and whether it may do that."""

from __future__ import annotations

import os
import shutil
import sys
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fuzz_mutations import write_case
from fuzz_seeds import Kind, Seed
from unblur.errors import UnblurError

MAX_MESSAGE = 700
"""Longest message that is one sentence for the user, in characters; paths count."""

MAX_COMPUTED = 2**26
"""Largest declared size of a lazy image that is read as a whole; of larger ones the first and last
pixels are, in bytes."""

_CONTAINERS = ("dict", "frozenset", "list", "set", "slice", "tuple")

_HARMLESS = ("_operator", "operator", "dask", "functools", "numpy", "unblur")

MAX_WRITTEN = 2**22
"""Largest size of an image that is written again, in bytes."""


@dataclass(frozen=True)
class Outcome:
    """What became of a case.

    Parameters
    ----------
    status : str
        "read", "refused" (a sentence for the user), or what must not be: "error" (another
        exception), "message" (a refusal that is not one clear sentence), "outside" (a file
        outside the case's folder opened for writing, a process started, or a pickle loaded).
    detail : str
        The message, or the traceback.
    """

    status: str
    detail: str = ""


class Watch:
    """Records events of the interpreter that reading a file must not cause.

    Parameters
    ----------
    folder : Path
        Folder within which files may be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder.resolve())
        self.active = False
        self.events: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.active:
            return
        if event == "pickle.find_class" and _is_harmless(*map(str, arguments[:2])):
            return  # dask copies functions and dictionaries this way
        if event in ("subprocess.Popen", "os.system", "os.exec", "pickle.find_class"):
            self.events.append(f"{event} {arguments[:2]}")
        elif event == "open":
            path, mode, flags = arguments
            writes = isinstance(flags, int) and flags & 3
            if (writes or (mode and set(mode) & set("wax+"))) and self._is_outside(path):
                self.events.append(f"{event} {path}")
        elif event in ("os.remove", "os.rmdir", "os.mkdir"):
            path, folder = arguments[0], arguments[-1]
            if folder >= 0:  # relative to an open folder, as in `shutil.rmtree`
                path = str(Path(f"/proc/self/fd/{folder}").readlink() / os.fsdecode(path))
            self.events += [f"{event} {path}"] if self._is_outside(path) else []
        elif event in ("os.rename", "os.link", "os.symlink"):
            self.events += [f"{event} {p}" for p in arguments[:2] if self._is_outside(p)]

    def _is_outside(self, path: Any) -> bool:
        if not isinstance(path, str | bytes):
            return False  # a descriptor that was opened before
        text = path.decode("utf-8", "replace") if isinstance(path, bytes) else path
        if text in ("/dev/null", "/proc/self/clear_refs"):
            return False
        absolute = str(Path(text).absolute())
        return not absolute.startswith((self.folder, "/dev/shm/"))


def _is_harmless(module: str, name: str) -> bool:
    """Whether a pickle may name this object, which cannot run what a file says."""
    if module == "builtins":
        return name in _CONTAINERS
    return module.startswith(_HARMLESS)


def run_case(seed: Seed, number: int, run: int, folder: Path, watch: Watch | None) -> Outcome:
    """Make case `number` of a seed, read it, and return what happened.

    Parameters
    ----------
    seed : Seed
        The valid file.
    number, run : int
        Number of the case and seed of the whole run, which fix the changes.
    folder : Path
        Empty folder for the changed file and what is written; it is emptied again.
    watch : Watch, optional
        Records forbidden events.
    """
    key = [run, number, *seed.path.name.encode()]
    rng = np.random.default_rng(key)
    folder.mkdir(exist_ok=True)
    target = write_case(seed, folder, rng)
    compiles = sys.dont_write_bytecode
    if watch is not None:
        sys.dont_write_bytecode = True  # of modules imported for the first time
        watch.events, watch.active = [], True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            use(target, seed.kind, rng, folder)
        outcome = Outcome("read")
    except ModuleNotFoundError:
        raise  # a package that is not installed here
    except UnblurError as error:
        outcome = _checked_message(str(error), target)
    except Exception:
        outcome = Outcome("error", traceback.format_exc())
    finally:
        if watch is not None:
            watch.active = False
        sys.dont_write_bytecode = compiles
        shutil.rmtree(folder, ignore_errors=True)
    if watch is not None and watch.events:
        return Outcome("outside", "\n".join(watch.events))
    return outcome


def warm(seed: Seed) -> None:
    """Read a valid file, so that what its format imports is there before time is measured."""
    path = seed.path / "psf.npy" if seed.kind == "psf" and seed.path.is_dir() else seed.path
    for number in (1, 2):  # draws below and above 0.5: lazy and whole
        use(path, seed.kind, np.random.default_rng(number), None)


def use(path: Path, kind: Kind, rng: np.random.Generator, folder: Path | None) -> None:
    """Read a file as a run does: an image whole or in regions, a kernel, or a pipeline."""
    from unblur.io import read_image, read_kernel
    from unblur.pipeline import Pipeline

    if kind == "pipeline":
        Pipeline.load(path).build()
        return
    if kind == "psf":
        read_kernel(path)
        return
    image = read_image(path, lazy=bool(rng.random() < 0.5))
    if image.is_lazy:
        whole = image.data.size * image.dtype.itemsize <= MAX_COMPUTED
        parts = [...] if whole else [(0,) * image.data.ndim, (-1,) * image.data.ndim]
        for part in parts:
            np.asarray(image.data[part].compute(scheduler="synchronous"))
    elif folder is not None and image.data.nbytes <= MAX_WRITTEN and rng.random() < 0.3:
        _write_again(image, path, folder)


def _write_again(image: Any, path: Path, folder: Path) -> None:
    """Write an image with the metadata of its file, as a result has them."""
    from unblur.io import write_image
    from unblur.runs.file_jobs import result_name

    out = folder / "out"
    out.mkdir()
    written = write_image(image, out / result_name(path))
    if not written.exists() or len(list(out.iterdir())) != 1:
        raise AssertionError(f"{written} was not written as one file")


def _checked_message(text: str, path: Path) -> Outcome:
    plain = text.replace(str(path.parent), "")
    bad = "\n" in text or len(plain) > MAX_MESSAGE or any(ord(c) < 32 for c in text)
    return Outcome("message" if bad else "refused", text)
