"""Many images, one after the other: what fails is listed, the others are done."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unblur.engine.api import deblur
from unblur.engine.job import DeblurJob, as_image, as_pipeline
from unblur.engine.record.report import Report
from unblur.engine.record.result import Result
from unblur.engine.running.freeze import Frozen, freeze
from unblur.errors import Cancelled, describe_exception
from unblur.model.context import Context, resolve_device
from unblur.pipeline import Pipeline


@dataclass(frozen=True)
class Item:
    """One image of a batch.

    Parameters
    ----------
    name : str
        What to call it in the summary.
    read : callable
        Returns the image, when its turn comes.
    write : callable
        Takes the result.
    """

    name: str
    read: Callable[[], Any]
    write: Callable[[Result], None]


@dataclass
class Summary:
    """What became of a batch.

    Attributes
    ----------
    done : dict of name to Report
        The images that were written.
    failed : dict of name to str
        The others, each with its cause.
    """

    done: dict[str, Report] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the summary as JSON text: names, causes, seconds and warnings."""
        done = {
            name: {"seconds": report.seconds, "warnings": report.warnings}
            for name, report in self.done.items()
        }
        return json.dumps({"done": done, "failed": self.failed}, indent=2)


def deblur_batch(
    items: Iterable[Item],
    pipeline: str | Path | Pipeline,
    psf: Any = None,
    *,
    frozen: bool = False,
    axes: str | None = None,
    device: str = "auto",
    seed: int = 0,
    noise: float | None = None,
    is_cancelled: Callable[[], bool] | None = None,
    **overrides: Any,
) -> Summary:
    """Deblur images one after the other in this process.

    Parameters
    ----------
    items : iterable of Item
        Read only when their turn comes, so that one image is in memory at a time.
    pipeline, psf, axes, device, seed, noise, is_cancelled, **overrides
        As for `deblur`.
    frozen : bool
        Whether the first image that can be read decides for all: the kernel, and when to stop
        iterating. Otherwise each decides for itself.

    Returns
    -------
    Summary
        An image that fails, for whatever reason, is listed with its cause; the next is tried.

    Raises
    ------
    Cancelled
        If the user asked to stop; what is written stays.
    """
    chain = as_pipeline(pipeline, overrides)
    context = Context(device=resolve_device(device), seed=seed, noise=noise)
    if is_cancelled is not None:
        context = context.with_(is_cancelled=is_cancelled)
    summary = Summary()
    decided: Frozen | None = None
    for item in items:
        context.checkpoint()
        try:
            given = item.read()
            if frozen and decided is None:
                decided = freeze(DeblurJob.of(as_image(given, axes)[0], chain, psf, context))
            result = deblur(
                given,
                chain,
                psf,
                axes=axes,
                device=device,
                seed=seed,
                noise=noise,
                frozen=decided,
                is_cancelled=is_cancelled,
            )
            item.write(result)
        except Cancelled:
            raise
        except Exception as error:
            summary.failed[item.name] = describe_exception(error)
            continue
        summary.done[item.name] = result.report
    return summary
