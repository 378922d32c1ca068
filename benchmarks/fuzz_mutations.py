"""Changes to valid files: of bytes, numbers, lengths, and entries of structured text.

Every change is drawn from a generator of random numbers, so that a case can be made again from
its number.
"""

from __future__ import annotations

import copy
import gzip
import io
import json
import re
import shutil
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from fuzz_seeds import Seed

INTEGERS = (0, 1, 2, 7, 255, 256, 65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1)
"""Values at which integers of some width overflow or extents vanish."""

TEXTS = (
    *("0", "-1", "1e308", "1e999", "nan", "99999999999999999999", "0.0000001"),
    *("", "é\x1b[31m", "x" * 300, "../../up", "/dev/null", "2026-13-45", "{}", "]]>"),
)
"""Values that stand in place of numbers and words in text."""

VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 1, 3, 65536, 2**31, 2**63, 10**30, 0.5, 1e308, float("nan")),
    *("", "0", "NaN", "../../up", "/dev/null", "é\x1b[31m", "x" * 300),
    *([], {}, [[]], [0], [1, 1], [1.0, 1.0, 1.0], {"a": {"b": []}}),
)
"""Values that stand in place of entries of JSON and YAML."""

_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")
_MAX_TREE_DEPTH = 60


def write_case(seed: Seed, folder: Path, rng: np.random.Generator) -> Path:
    """Write a changed copy of a seed into a folder, and return the path that is to be read."""
    if seed.path.is_dir():
        return _write_changed_folder(seed, folder, rng)
    raw = seed.path.read_bytes()
    changed = change(raw, seed.path.name, rng)
    target = folder / seed.path.name
    target.write_bytes(changed)
    return target


def change(raw: bytes, name: str, rng: np.random.Generator) -> bytes:
    """Return changed bytes of a file, at times with the check sums or compression of its format."""
    if name.endswith((".yaml", ".yml", ".json", ".zarray", ".zattrs", ".zgroup")):
        if rng.random() < 0.7:
            return change_structured_text(raw, name, rng)
    elif name.endswith(".gz") and rng.random() < 0.6:
        return gzip.compress(change_bytes(gzip.decompress(raw), rng), 1, mtime=0)
    elif name.endswith(".npz") and rng.random() < 0.6:
        return _change_members(raw, rng)
    elif name.endswith(".frames.png") and rng.random() < 0.7:
        return _change_png_header(raw, rng)
    elif name.endswith(".jxl") and rng.random() < 0.5:
        return change_bytes(raw[:80], rng) + raw[80:]
    elif name.endswith(".png") and rng.random() < 0.7:
        return _with_check_sums(change_bytes(raw, rng))
    elif name.endswith((".tif", ".lsm")) and rng.random() < 0.5:
        return _change_tags(raw, rng)
    return change_bytes(raw, rng)


def change_bytes(raw: bytes, rng: np.random.Generator) -> bytes:
    """Return bytes after one to four changes, most of them near the beginning."""
    found = bytearray(raw)
    for _ in range(int(rng.integers(1, 5))):
        if not found:
            break
        action = _ACTIONS[int(rng.integers(len(_ACTIONS)))]
        action(found, _place(found, rng), rng)
    return bytes(found)


def _place(found: bytearray, rng: np.random.Generator) -> int:
    end = min(len(found), 600) if rng.random() < 0.75 else len(found)
    return int(rng.integers(end))


def _set_byte(found: bytearray, place: int, rng: np.random.Generator) -> None:
    found[place] = int(rng.integers(256))


def _flip_bit(found: bytearray, place: int, rng: np.random.Generator) -> None:
    found[place] ^= 1 << int(rng.integers(8))


def _set_integer(found: bytearray, place: int, rng: np.random.Generator) -> None:
    width = int(rng.choice([1, 2, 4, 8]))
    value = INTEGERS[int(rng.integers(len(INTEGERS)))] % 256**width
    place -= place % min(width, 2)
    order: Any = rng.choice(["little", "big"])
    found[place : place + width] = value.to_bytes(width, order)


def _cut(found: bytearray, place: int, rng: np.random.Generator) -> None:
    del found[int(rng.integers(len(found))) :]


def _remove(found: bytearray, place: int, rng: np.random.Generator) -> None:
    del found[place : place + int(rng.integers(1, 17))]


def _repeat(found: bytearray, place: int, rng: np.random.Generator) -> None:
    found[place:place] = found[place : place + int(rng.integers(1, 65))]


def _set_number(found: bytearray, place: int, rng: np.random.Generator) -> None:
    """Replace a number or word in text, which the headers of many formats hold."""
    matches = list(_NUMBER.finditer(bytes(found[place : place + 2000])))
    if matches:
        match = matches[int(rng.integers(len(matches)))]
        text = TEXTS[int(rng.integers(len(TEXTS)))].encode()
        if rng.random() < 0.5:  # of the same length, as fixed columns need
            text = text[: len(match[0])].ljust(len(match[0]))
        found[place + match.start() : place + match.end()] = text


_ACTIONS: tuple[Callable[[bytearray, int, np.random.Generator], None], ...] = (
    _set_byte,
    _flip_bit,
    _set_integer,
    _set_integer,
    _cut,
    _remove,
    _repeat,
    _set_number,
    _set_number,
)


def change_tree(tree: Any, rng: np.random.Generator) -> Any:
    """Return JSON-like data with one entry replaced, removed, renamed, repeated or nested."""
    places = list(_places(tree))
    holder, key = places[int(rng.integers(len(places)))] if places else (None, None)
    action = int(rng.integers(6))
    if holder is None:
        return _any_value(rng)
    if action == 0:
        del holder[key]
    elif action == 1 and isinstance(holder, dict):
        holder[f"{key}x"] = holder.pop(key)
    elif action == 2:
        value: Any = 1
        for _ in range(int(rng.integers(2, _MAX_TREE_DEPTH))):
            value = [value] if rng.random() < 0.5 else {"transformations": value}
        holder[key] = value
    elif action == 3 and isinstance(holder, list):
        holder.insert(key, json.loads(json.dumps(holder[key], default=str)))
    else:
        holder[key] = _any_value(rng)
    return tree


def _any_value(rng: np.random.Generator) -> Any:
    """Return a copy of one of the values, since later changes may reach into it."""
    return copy.deepcopy(VALUES[int(rng.integers(len(VALUES)))])


def _places(tree: Any) -> Any:
    """Yield (holder, key) of every entry within a tree."""
    pairs = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in list(pairs):
        yield tree, key
        if isinstance(value, dict | list):
            yield from _places(value)


def change_structured_text(raw: bytes, name: str, rng: np.random.Generator) -> bytes:
    """Return JSON or YAML with one to three entries changed."""
    is_yaml = name.endswith((".yaml", ".yml"))
    tree = yaml.safe_load(raw) if is_yaml else json.loads(raw)
    for _ in range(int(rng.integers(1, 4))):
        if isinstance(tree, dict | list):
            tree = change_tree(tree, rng)
    return (yaml.safe_dump(tree) if is_yaml else json.dumps(tree)).encode()


def _write_changed_folder(seed: Seed, folder: Path, rng: np.random.Generator) -> Path:
    target = folder / seed.path.name
    shutil.copytree(seed.path, target)
    files = sorted(p for p in target.rglob("*") if p.is_file())
    described = [p for p in files if p.suffix == ".json" or p.name.startswith(".z")]
    chosen = described if described and rng.random() < 0.8 else files
    file = chosen[int(rng.integers(len(chosen)))]
    if rng.random() < 0.03:
        file.unlink()
    else:
        file.write_bytes(change(file.read_bytes(), file.name, rng))
    return target / "psf.npy" if seed.kind == "psf" else target


def _change_members(raw: bytes, rng: np.random.Generator) -> bytes:
    """Return an .npz with one array changed and packed anew."""
    with zipfile.ZipFile(io.BytesIO(raw)) as held:
        members = {name: held.read(name) for name in held.namelist()}
    name = list(members)[int(rng.integers(len(members)))]
    members[name] = change_bytes(members[name], rng)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as out:
        for member, data in members.items():
            out.writestr(zipfile.ZipInfo(member), data)
    return packed.getvalue()


def _with_check_sums(raw: bytes) -> bytes:
    """Return a PNG in which every check sum is that of its chunk, as far as there are chunks."""
    found, place = bytearray(raw), 8
    while place + 12 <= len(found):
        (size,) = struct.unpack_from(">I", found, place)
        end = place + 8 + size
        if end + 4 > len(found):
            break
        struct.pack_into(">I", found, end, zlib.crc32(found[place + 4 : end]))
        place = end + 4
    return bytes(found)


def _change_png_header(raw: bytes, rng: np.random.Generator) -> bytes:
    """Return a PNG with one to three changes in chunks that hold no pixels, their lengths kept."""
    found = bytearray(raw)
    starts, place = [], 8
    while place + 12 <= len(raw):
        (size,) = struct.unpack_from(">I", raw, place)
        if raw[place + 4 : place + 8] not in (b"IDAT", b"fdAT") and size:
            starts.append((place + 8, size))
        place += 12 + size
    for _ in range(int(rng.integers(1, 4))):
        start, size = starts[int(rng.integers(len(starts)))]
        part = bytearray(raw[start : start + size])
        action = _ACTIONS[int(rng.integers(4))]
        action(part, int(rng.integers(size)), rng)
        found[start : start + size] = part[:size]
    return _with_check_sums(bytes(found))


def _change_tags(raw: bytes, rng: np.random.Generator) -> bytes:
    """Return a TIFF with code, type, count or value of one to three tags changed."""
    found = bytearray(raw)
    order = "<" if raw[:2] == b"II" else ">"
    (version,) = struct.unpack_from(f"{order}H", raw, 2)
    big = version == 43
    (first,) = struct.unpack_from(f"{order}Q" if big else f"{order}I", raw, 8 if big else 4)
    (count,) = struct.unpack_from(f"{order}Q" if big else f"{order}H", raw, first)
    head, size = (8, 20) if big else (2, 12)
    fields = ((0, "H"), (2, "H"), (4, "Q" if big else "I"), (12 if big else 8, "Q" if big else "I"))
    for _ in range(int(rng.integers(1, 4))):
        entry = first + head + size * int(rng.integers(count))
        at, code = fields[int(rng.choice([0, 1, 2, 3, 3, 3]))]
        value = INTEGERS[int(rng.integers(len(INTEGERS)))]
        value %= 256 ** struct.calcsize(f"{order}{code}")
        struct.pack_into(f"{order}{code}", found, entry + at, value)
    return bytes(found)
