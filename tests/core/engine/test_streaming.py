"""Tile by tile into a store: interrupted, resumed, refused, and with holes where it must be."""

import json

import dask.array as da
import numpy as np
import pytest
from engine_stages import Counted

from unblur.engine import deblur
from unblur.engine.job import DeblurJob
from unblur.errors import Cancelled, OutputError
from unblur.io import create_store, read_image
from unblur.io.files import remove
from unblur.model.context import Context
from unblur.model.image import Image
from unblur.runs.journal import Journal
from unblur.runs.streaming import deblur_into

RNG = np.random.default_rng(2)


class Run:
    """A streamed run into a folder of the test's own, to be repeated with changes."""

    def __init__(self, folder, box):
        self.folder, self.psf = folder, box
        self.output = folder / "out.zarr"

    def __call__(self, image, pipeline, *, resume=False, psf=None, context=None, **options):
        job = DeblurJob.of(
            image, pipeline, self.psf if psf is None else psf, context or Context(), **options
        )
        with Journal(self.folder / "journal", self.output) as journal:
            result = deblur_into(
                job,
                lambda again: self.store(image, again),
                journal,
                resume=resume,
                workers=2,
            )
            journal.delete()
        return result

    def store(self, image, again):
        if not again:
            remove(self.output)
        return create_store(self.output, image, resume=again)

    @property
    def values(self):
        return read_image(self.output).data


def cropped(image, first):
    return image.cropped(slice(first, first + 180), slice(0, 180)) if first else image


@pytest.fixture
def run(tmp_path, box):
    return Run(tmp_path, box)


def lazy(values, axes="YX", chunks=50):
    return Image(da.from_array(values, chunks=chunks), axes)


def stopping_after(tiles):
    seen = []
    return Context(on_progress=seen.append, is_cancelled=lambda: len(seen) >= tiles)


@pytest.mark.parametrize(
    ("axes", "shape", "chunks"),
    [("YX", (200, 170), 50), ("CYX", (2, 100, 90), 40), ("TZYX", (2, 5, 70, 60), (1, 3, 64, 64))],
)
def test_streamed_equals_whole(run, pipeline, box, axes, shape, chunks):
    y = (RNG.random(shape) * 60000).astype(np.uint16)
    image = lazy(y, axes, chunks)
    image = image.with_data(image.data, metadata={"chunks": image.data.chunksize})
    result = run(image, pipeline("deconvolve:sharpen", size=64))
    assert np.array_equal(
        run.values, deblur(y, pipeline("deconvolve:sharpen"), box, axes=axes).image
    )
    assert result.image is None
    assert result.report.failures == ()
    assert not (run.folder / "journal").exists()


def test_an_interrupted_run_is_resumed_without_redoing(run, pipeline, box, monkeypatch):
    y = RNG.random((320, 320)).astype(np.float32)
    known = pipeline("deconvolve:counted", size=64)
    with pytest.raises(Cancelled):
        run(lazy(y), known, context=stopping_after(7))
    finished = (run.folder / "journal" / "tiles").read_text().splitlines()
    assert 7 <= len(finished) < 12
    Counted.calls.clear()
    result = run(lazy(y), known, resume=True)
    assert result.report.tiles["resumed"] == len(finished)
    measured = 2  # the plan measures each stage on two small tiles
    assert len(Counted.calls) == 25 - len(finished) + measured
    np.testing.assert_array_equal(run.values, deblur(y, pipeline("deconvolve:sharpen"), box).image)


def test_without_resume_it_starts_again(run, pipeline):
    y = RNG.random((200, 200)).astype(np.float32)
    known = pipeline("deconvolve:sharpen", size=64)
    with pytest.raises(Cancelled):
        run(lazy(y), known, context=stopping_after(3))
    assert "resumed" not in run(lazy(y), known).report.tiles


def test_a_store_that_is_gone_is_not_resumed(run, pipeline, box):
    y = RNG.random((200, 200)).astype(np.float32)
    known = pipeline("deconvolve:sharpen", size=64)
    with pytest.raises(Cancelled):
        run(lazy(y), known, context=stopping_after(3))
    remove(run.output)
    # The store that the refused run has opened is empty: a second try is refused as well.
    for _ in range(2):
        with pytest.raises(OutputError, match="tiles are recorded .* is gone; run without"):
            run(lazy(y), known, resume=True)
    run(lazy(y), known)
    np.testing.assert_array_equal(run.values, deblur(y, known, box, tile=256).image)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("input", "the input has changed"),
        ("crop", "resumed: the crop has changed"),
        ("whole", "resumed: the crop has changed"),
        ("kernel", "the kernel has changed"),
        ("params", "the params have changed"),
        ("tone curve", "the params have changed"),
        ("pipeline", "the pipeline and the params have changed"),
        ("tiles", "the tiles have changed"),
    ],
)
def test_a_changed_run_is_not_resumed(run, pipeline, change, words):
    y = RNG.random((200, 200)).astype(np.float32)
    known = pipeline("deconvolve:sharpen", size=64)
    with pytest.raises(Cancelled):
        run(cropped(lazy(y), 8), known, context=stopping_after(3))
    options = {"psf": np.full((5, 5), 1 / 25)} if change == "kernel" else {}
    options |= {"nonfinite": "fill"} if change == "params" else {}
    if change == "pipeline":
        known = pipeline("deconvolve:sharpen", "postprocess:zero", size=64)
    if change == "tone curve":
        known = known.override({"tone_curve": "srgb"})
    if change == "tiles":
        known = pipeline("deconvolve:sharpen", size=32)
    if change == "input":
        y[77, 77] += 0.1
    first = {"crop": 12, "whole": 0}.get(change, 8)
    with pytest.raises(OutputError, match=words):
        run(cropped(lazy(y), first), known, resume=True, **options)
    # The refusal harms nothing: the right run is still resumed.
    if change not in ("input",):
        again = run(cropped(lazy(y), 8), pipeline("deconvolve:sharpen", size=64), resume=True)
        assert again.report.tiles["resumed"] >= 3


def test_an_estimated_kernel_is_kept_for_the_resumed_run(run, pipeline):
    from engine_stages import Box

    y = RNG.random((200, 200)).astype(np.float32)
    known = pipeline("kernel:box", "deconvolve:sharpen", size=64)
    run.psf = None
    with pytest.raises(Cancelled):
        run(lazy(y), known, context=stopping_after(3))
    Box.seen.clear()
    result = run(lazy(y), known, resume=True)
    assert Box.seen == []
    assert result.report.kernel.origin == "box"
    assert result.report.kernel.region == "the whole image"


def test_a_second_run_on_the_same_output_is_refused(tmp_path):
    with (
        Journal(tmp_path / "journal", tmp_path / "out.zarr"),
        pytest.raises(OutputError, match="written by another run"),
    ):
        Journal(tmp_path / "journal", tmp_path / "out.zarr")
    Journal(tmp_path / "journal", tmp_path / "out.zarr").close()


def test_a_torn_line_is_forgotten(tmp_path):
    journal = Journal(tmp_path / "journal", tmp_path / "out")
    journal.begin({})
    for number in (3, 4):
        journal.record(number)
    journal.close()
    tiles = tmp_path / "journal" / "tiles"
    tiles.write_text(tiles.read_text() + "12")
    journal = Journal(tmp_path / "journal", tmp_path / "out")
    assert journal.finished() == {3, 4}
    journal.record(5)
    assert journal.finished() == {3, 4, 5}
    journal.close()


def test_after_a_restart_of_the_machine_the_last_minute_is_done_again(tmp_path):
    journal = Journal(tmp_path / "journal", tmp_path / "out")
    journal.begin({})
    (tmp_path / "journal" / "tiles").write_text("1 1000\n2 1030\n3 1095\n")
    assert journal.finished() == {1, 2, 3}
    job = json.loads((tmp_path / "journal" / "job.json").read_text())
    (tmp_path / "journal" / "job.json").write_text(json.dumps({**job, "boot": "another"}))
    assert journal.finished() == {1, 2}
    journal.close()


def unreadable(values, chunk, bad):
    """Return a lazy image one chunk of which cannot be read."""

    def block(block_info=None):
        place = block_info[None]["array-location"]
        if tuple(block_info[None]["chunk-location"]) == bad:
            raise OSError("the disk is scratched")
        return values[tuple(slice(*span) for span in place)]

    rows = tuple(len(part) for part in np.array_split(values, len(values) // chunk))
    data = da.map_blocks(block, chunks=(rows, rows), dtype=values.dtype, meta=values[:0, :0])
    return Image(
        data, "YX", white=float(np.iinfo(values.dtype).max) if values.dtype.kind == "u" else 1
    )


@pytest.mark.parametrize(("dtype", "hole"), [("f4", np.nan), ("u2", 0)])
def test_an_unreadable_chunk_leaves_a_hole_and_a_name(run, pipeline, box, dtype, hole):
    y = RNG.random((256, 256))
    y = y.astype(dtype) if dtype == "f4" else (y * 60000).astype(dtype)
    bad = (2, 1)
    image = unreadable(y, 64, bad)
    known = pipeline("deconvolve:sharpen", size=64)
    result = run(image, known)
    values = run.values
    place = (slice(128, 192), slice(64, 128))
    assert np.array_equal(values[place], np.full((64, 64), hole, dtype), equal_nan=True)
    near = np.zeros(y.shape, bool)
    near[124:196, 60:132] = True
    whole = deblur(y, known, box, tile=256).image
    np.testing.assert_allclose(values[~near].astype(float), whole[~near].astype(float), atol=1)
    assert len(result.report.failures) == 1
    assert "Y 128:192, X 64:128" in result.report.failures[0]
    assert "scratched" in result.report.failures[0]


@pytest.mark.parametrize("nonfinite", ["keep", "fill"])
def test_a_tile_that_fails_leaves_a_hole_and_a_name(run, pipeline, nonfinite):
    y = RNG.random((256, 256)).astype(np.float32) * 0.9
    y[200, 200] = 1
    result = run(lazy(y), pipeline("deconvolve:broken", size=64), nonfinite=nonfinite)
    place = (slice(192, 256), slice(192, 256))
    expected = y[place] if nonfinite == "fill" else np.full((64, 64), np.nan, np.float32)
    assert np.array_equal(run.values[place], expected, equal_nan=True)
    assert np.isfinite(run.values[:192]).all()
    assert result.report.failures == (
        "tile [192:256, 192:256]: ArithmeticError: the mark was seen",
    )


def test_a_full_disk_stops_the_run_which_is_then_resumed(run, pipeline, box, monkeypatch):
    from unblur.io.region_writers import ZarrRegions

    y = RNG.random((256, 256)).astype(np.float32)
    known = pipeline("deconvolve:sharpen", size=64)
    honest, count = ZarrRegions.write, []

    def full(self, region, values):
        count.append(1)
        if len(count) > 5:
            raise OutputError("no space left on the device.")
        honest(self, region, values)

    with monkeypatch.context() as patched:
        patched.setattr(ZarrRegions, "write", full)
        with pytest.raises(OutputError, match="no space"):
            run(lazy(y), known)
    # Of the five tiles that were written, two threads may not have recorded theirs yet.
    assert run(lazy(y), known, resume=True).report.tiles["resumed"] >= 3
    np.testing.assert_array_equal(run.values, deblur(y, known, box, tile=256).image)
