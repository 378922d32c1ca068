"""The account of a result in words: what the page says of how it was made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

Account = Mapping[str, Any]


def facts(account: Account) -> list[tuple[str, str]]:
    """Return the few figures that stand above the picture."""
    found = []
    if account.get("steps"):
        found.append(("steps", " → ".join(str(step["name"]) for step in account["steps"])))
    if "seconds" in account:
        found.append(("took", f"{account['seconds']:.1f} s"))
    if account.get("device"):
        found.append(("on", str(account["device"])))
    if "seed" in account:
        found.append(("seed", str(account["seed"])))
    return found


def warnings(account: Account) -> list[str]:
    """Return what the run warned of, one sentence each."""
    return [str(sentence) for sentence in account.get("warnings", ())]


def rows(account: Account) -> Iterator[tuple[str, str]]:
    """Yield name and value of each line of the account."""
    for number, step in enumerate(account.get("steps", ()), start=1):
        seconds = step.get("seconds", 0.0)
        yield f"step {number}: {step['kind']}", f"{step['name']} ({seconds:.2f} s)"
        for name, value in step.get("params", {}).items():
            yield f"· {name}", _plain(value)
    if account.get("kernel"):
        yield "kernel", _kernel(account["kernel"])
    if account.get("noise") is not None:
        yield "noise", f"{account['noise']:.4g} (white = 1)"
    if account.get("mask"):
        yield "mask", _mask(account["mask"])
    if account.get("tiles"):
        yield "tiles", _plain(account["tiles"])
    if account.get("crop"):
        yield "crop", _plain(account["crop"])
    if account.get("input"):
        given = account["input"]
        shape = " × ".join(str(n) for n in given["shape"])
        kind = np.dtype(given["dtype"]).name
        yield "input", f"{given['source']} ({given['axes']} {shape}, {kind})"
        yield "input, sha256", f"{given['sha256']} ({given['hashed']})"
    if account.get("started"):
        yield "begun", f"{account['started']} (UTC)"
    if account.get("peak_memory"):
        yield "peak memory", f"{account['peak_memory'] / 2**30:.2f} GiB"
    for name, version in account.get("versions", {}).items():
        yield name, str(version)


def _kernel(record: Account) -> str:
    size = " × ".join(str(n) for n in record["shape"])
    origin = "given" if record["origin"] == "given" else f"estimated by {record['origin']}"
    where = f" from {record['where']}" if record.get("where") else ""
    return f"{size} px, {origin}{where}"


def _mask(record: Account) -> str:
    share = f"{100 * record['saturated_share']:.2g} % of values saturated"
    masked = "masked" if record["saturated_masked"] else "not masked"
    return f"{record['holes']} values not finite; {share}, {masked}"


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        told = (f"{name} {_plain(inner)}" for name, inner in value.items())
        return ", ".join(told) or "none"
    if isinstance(value, list | tuple):
        return "; ".join(map(_plain, value)) or "none"
    return "none" if value is None else str(value)
