"""The results of a benchmark as JSON and as a Markdown table."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from unblur.bench.benchmark import Method
from unblur.bench.pairs import PairSet
from unblur.bench.scores import Mean, Row

HEADINGS = ("pipeline", "PSNR", "SSIM", "ratio", "ratio < 2", "kernel", "s", "GiB")
"""Headings of the columns of the table."""


@dataclass(frozen=True)
class Results:
    """The results of a benchmark with everything needed to repeat it.

    Attributes
    ----------
    pairs : PairSet
        The set of images.
    blurred : list of Row
        Scores of the blurred images themselves, as a baseline.
    methods : list of Method
        The compared methods.
    table : dict of name to list of Row
        Rows of each method.
    device : str
        Torch device.
    command : str
        Command line.
    workers : int
        Number of parallel processes.
    """

    pairs: PairSet
    blurred: list[Row]
    methods: list[Method]
    table: dict[str, list[Row]]
    device: str
    command: str
    workers: int = 1
    date: str = field(default_factory=lambda: datetime.now(UTC).strftime("%Y-%m-%d"))

    def as_json(self) -> dict[str, Any]:
        """Return the results as JSON values."""
        return {
            "set": self.pairs.name,
            "pairs": len(self.pairs.pairs),
            "protocol": self.pairs.protocol.model_dump(),
            "seed": self.methods[0].seed,
            "device": describe_device(self.device),
            "workers": self.workers,
            "date": self.date,
            "versions": {name: version(name) for name in ("unblur", "torch", "numpy")},
            "command": self.command,
            "blurred": _block(self.blurred),
            "pipelines": [
                {
                    "name": method.name,
                    "definition": method.pipeline.model_dump(mode="json", exclude_defaults=True),
                    **_block(self.table[method.name]),
                }
                for method in self.methods
            ],
        }

    @property
    def headings(self) -> tuple[str, ...]:
        """Headings of the columns, with the resolution where it was measured."""
        return (*HEADINGS, "resolution") if self._has_resolution else HEADINGS

    @property
    def _has_resolution(self) -> bool:
        return any(method.measures_resolution for method in self.methods)

    def lines(self) -> Iterator[list[str]]:
        """Yield the cells of the table, one list per pipeline, under `headings`."""
        mean = Mean.of(self.blurred)
        last = [""] if self._has_resolution else []
        yield ["(blurred)", f"{mean.psnr:.2f}", f"{mean.ssim:.4f}", *[""] * 5, *last]
        for method in self.methods:
            rows = self.table[method.name]
            of_method = Mean.of(rows)
            if of_method.resolution is not None:
                last = ["{:.2f} -> {:.2f}".format(*of_method.resolution)]
            yield [method.name, *_cells(of_method, len(rows)), *last]

    def markdown(self) -> str:
        """Return the table with its explanation and the command that made it."""
        protocol = self.pairs.protocol
        how = (
            f"at the best shift of up to {protocol.search:g} px" if protocol.align else "unshifted"
        )
        headings = list(self.headings)
        rows = [headings, ["---", *["---:"] * (len(headings) - 1)], *self.lines()]
        resolution = (
            " Resolution in pixels before and after: Fourier ring correlation at 1/7 of two halves "
            "of the noise, each restored by itself."
        )
        return "\n".join(
            [
                f"# {self.pairs.name}: {len(self.pairs.pairs)} pairs",
                "",
                *("| " + " | ".join(row) + " |" for row in rows),
                "",
                f"Means over the pairs; PSNR in dB, scored {how}, {protocol.border} px of border "
                "left out. Ratio: error against that with the true kernel; pipelines without a "
                "ratio were given the true kernel. Kernel: similarity to the true one, 1 is "
                "equal. Seconds per image; GiB: highest memory of the process."
                + resolution
                * self._has_resolution,
                "",
                f"{describe_device(self.device)}, seed {self.methods[0].seed}, {self.date}, "
                f"unblur {version('unblur')}, torch {version('torch')}, workers {self.workers}.",
                "",
                "```",
                self.command,
                "```",
                "",
            ]
        )


def write_results(results: Results, folder: Path, name: str) -> list[Path]:
    """Write NAME.json and NAME.md into `folder`, replacing those of an earlier benchmark."""
    import json

    from unblur.io.files import written_whole

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    texts = {
        ".json": json.dumps(results.as_json(), indent=1, ensure_ascii=False) + "\n",
        ".md": results.markdown(),
    }
    for suffix, text in texts.items():
        path = folder / f"{name}{suffix}"
        with written_whole(path, overwrite=True) as draft:
            draft.write_text(text, "utf-8")
        written.append(path)
    return written


def describe_device(device: str) -> str:
    """Return the name of the processor, and of the GPU if one is used."""
    import torch

    if torch.device(device).type == "cuda":
        return str(torch.cuda.get_device_name(device))
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = torch.get_num_threads()
    return f"{_processor()}, {_counted(cores, 'core')}, {_counted(threads, 'thread')}"


def _counted(number: int | None, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _processor() -> str:
    facts = Path("/proc/cpuinfo")
    if facts.exists():
        for line in facts.read_text("utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _block(rows: Sequence[Row]) -> dict[str, Any]:
    return {"mean": asdict(Mean.of(rows)), "rows": [row.as_json() for row in rows]}


def _cells(mean: Mean, count: int) -> list[str]:
    return [
        f"{mean.psnr:.2f}",
        f"{mean.ssim:.4f}",
        "" if mean.ratio is None else f"{mean.ratio:.2f}",
        "" if mean.good is None else f"{mean.good} of {count}",
        "" if mean.similarity is None else f"{mean.similarity:.3f}",
        f"{mean.seconds:.2f}",
        f"{mean.peak_memory / 2**30:.2f}",
    ]
