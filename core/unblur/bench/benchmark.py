"""Runs of pipelines over a set, each in a separate process to measure its memory alone."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from unblur.bench.pairs import ImagePair, PairSet, Protocol
from unblur.bench.scores import Row, Score, resolution_of, score
from unblur.errors import Cancelled, UsageError
from unblur.model.context import Progress
from unblur.model.image import Image
from unblur.pipeline import Pipeline


@dataclass(frozen=True)
class Method:
    """A pipeline in a benchmark.

    Attributes
    ----------
    name : str
        Name in tables.
    pipeline : Pipeline
        Pipeline with all overrides applied.
    device : str
        Torch device.
    seed : int
        Seed of all random draws.
    reference : Pipeline, optional
        Pipeline that deconvolves with the true kernel for the error ratio if `pipeline` has no
        deconvolution step, because its kernel step returns the image.
    measures_resolution : bool
        Whether each image is restored twice more, to measure the resolution before and after.
    """

    name: str
    pipeline: Pipeline
    device: str = "auto"
    seed: int = 0
    reference: Pipeline | None = None
    measures_resolution: bool = False

    @property
    def reference_pipeline(self) -> Pipeline | None:
        """The pipeline whose error with the true kernel is the denominator of the error ratio."""
        kinds = {step.kind for step in self.pipeline.steps}
        return self.pipeline if "deconvolve" in kinds else self.reference

    @property
    def is_blind(self) -> bool:
        """Whether the pipeline estimates the kernel."""
        return any(step.kind == "kernel" for step in self.pipeline.steps)


def run_pair(method: Method, pair: ImagePair, protocol: Protocol) -> tuple[Row, Image]:
    """Deblur one pair and score it.

    A pipeline without a kernel step gets the true kernel.

    Raises
    ------
    UsageError
        If the pipeline needs a kernel and the pair has none.
    """
    from unblur.engine import deblur
    from unblur.io import read_image, read_kernel
    from unblur.numerics.metrics import kernel_similarity

    blurred, sharp = read_image(pair.blurred), read_image(pair.sharp)
    true = None if pair.kernel is None else read_kernel(pair.kernel)
    if true is not None:
        # The sharp image lies where the true kernel says, off its centre of mass or not.
        true = replace(true, keeps_offset=True)
    options: dict[str, Any] = {"device": method.device, "seed": method.seed}
    if method.pipeline.needs_psf and true is None:
        raise UsageError(f"{method.name} needs the kernel, but {pair.name} has none.")
    psf = true if method.pipeline.needs_psf else None
    result = deblur(blurred, method.pipeline, psf, **options)
    found = score(result.image, sharp, protocol)
    ratio = similarity = None
    if method.is_blind and true is not None and result.kernel is not None:
        similarity = kernel_similarity(result.kernel.mean, true.mean)
        if method.reference_pipeline is not None:
            best = deblur(blurred, method.reference_pipeline, true, **options)
            ratio = _ratio(found, score(best.image, sharp, protocol))
    row = Row(pair.name, found, result.report.seconds, ratio, similarity, result.report.peak_memory)
    if method.measures_resolution:
        used = psf if "deconvolve" not in {s.kind for s in method.pipeline.steps} else result.kernel
        measured = resolution_of(
            blurred, lambda half: deblur(half, method.pipeline, used, **options).image
        )
        row = replace(row, resolution=measured)
    return row, result.image


def _ratio(found: Score, best: Score) -> float:
    if best.error == 0:
        return 1.0 if found.error == 0 else float("inf")
    return found.error / best.error


def run_benchmark(
    methods: list[Method],
    pairs: PairSet,
    *,
    workers: int = 1,
    on_progress: Callable[[Progress], None] | None = None,
    is_cancelled: Callable[[], bool] | None = None,
    on_result: Callable[[Method, ImagePair, Image], None] | None = None,
) -> dict[str, list[Row]]:
    """Run every method on every pair and return the rows of each method by its name.

    Parameters
    ----------
    methods : list of Method
        Methods with distinct names.
    pairs : PairSet
        The images.
    workers : int
        Number of parallel processes; 0 runs in this process, whose peak memory then includes
        the earlier methods. Times are comparable only for the same number of workers.
    on_progress, is_cancelled : callable, optional
        See `Context`; one step per pair.
    on_result : callable, optional
        Receives each result's image.
    """
    import time

    began, done, total = time.perf_counter(), 0, len(methods) * len(pairs.pairs)
    table: dict[str, list[Row]] = {}
    for method in methods:
        rows: dict[str, Row] = {}
        for pair, (row, image) in _results(method, pairs, workers, is_cancelled):
            rows[pair.name] = row
            done += 1
            if on_result is not None:
                on_result(method, pair, image)
            if on_progress is not None:
                on_progress(Progress(method.name, done, total, time.perf_counter() - began))
        table[method.name] = [rows[pair.name] for pair in pairs.pairs]
    return table


def _results(
    method: Method, pairs: PairSet, workers: int, is_cancelled: Callable[[], bool] | None
) -> Iterator[tuple[ImagePair, tuple[Row, Image]]]:
    """Yield the row and image of each pair in the order of completion."""
    if workers == 0:
        for pair in pairs.pairs:
            _checkpoint(is_cancelled)
            yield pair, run_pair(method, pair, pairs.protocol)
        return
    with _pool(workers) as pool:
        waiting: dict[Future[tuple[Row, Image]], ImagePair] = {
            pool.submit(run_pair, method, pair, pairs.protocol): pair for pair in pairs.pairs
        }
        while waiting:
            ready, _ = wait(waiting, timeout=0.2, return_when=FIRST_COMPLETED)
            for future in ready:
                yield waiting.pop(future), future.result()
            _checkpoint(is_cancelled)


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of new processes, which are terminated if the body raises."""
    pool = ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(workers,),
    )
    try:
        yield pool
    except BaseException:
        for process in list(getattr(pool, "_processes", {}).values()):
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin(workers: int) -> None:
    """Ignore Ctrl-C, which the parent handles, and limit the threads of this process.

    Several processes with more threads than cores would slow each other down many times.
    """
    import signal

    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(max(torch.get_num_threads() // workers, 1))


def _checkpoint(is_cancelled: Callable[[], bool] | None) -> None:
    if is_cancelled is not None and is_cancelled():
        raise Cancelled
