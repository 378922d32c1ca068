"""What breaks in the middle of a run: each fault ends with the file of an undisturbed one."""

import os
import signal
import socket
import subprocess
import threading
import time

import numpy as np
import pytest
from engine_stages import tiny_registry
from streamed_run import run_alone, run_dask_program, streamed

import unblur.pipeline
from unblur.engine.running.schedulers import outcome_of
from unblur.errors import UnblurError
from unblur.io import read_image, write_image
from unblur.model.image import Image

EDGE = 256
FILE = "out.zarr"

pytest.importorskip("distributed")


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Return the path of a zarr image of 16 tiles."""
    values = np.random.default_rng(3).integers(0, 50_000, (EDGE, EDGE), dtype=np.uint16)
    image = Image(values, "YX", metadata={"chunks": (64, 64)})
    return write_image(image, tmp_path_factory.mktemp("in") / "in.zarr")


@pytest.fixture(scope="module")
def undisturbed(source, tmp_path_factory):
    output = tmp_path_factory.mktemp("undisturbed") / FILE
    # Made before the fixture `stages`, which is there for one test at a time.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unblur.pipeline, "registry", tiny_registry)
        streamed(source, output, 0.0)
    return read_image(output).data


@pytest.fixture
def output(tmp_path):
    return tmp_path / FILE


def journal_of(output):
    return output.with_name(f".{output.name}.journal")


def tiles_done(output):
    try:
        return len((journal_of(output) / "tiles").read_text().splitlines())
    except FileNotFoundError:
        return 0


def wait_until(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def forked():
    """Fork processes, dask's too, from one that has imported what they need."""
    import dask
    from distributed.utils import get_mp_context

    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}):
        context = get_mp_context()
        programs = ["distributed.cli.dask_scheduler", "distributed.cli.dask_worker"]
        context.set_forkserver_preload([*programs, "unblur.engine", "unblur.io", "unblur.runs"])
        yield context


@pytest.fixture
def start(forked):
    """Return a function that deblurs in a process of its own, which it returns."""

    def begin(*arguments):
        process = forked.Process(target=run_alone, args=arguments)
        process.start()
        return process

    return begin


def in_background(function):
    """Run `function` in a thread; return the thread and the list that gets its end."""
    ends = []

    def target():
        try:
            ends.append(function())
        except Exception as error:
            ends.append(error)

    thread = threading.Thread(target=target)
    thread.start()
    return thread, ends


def same(output, undisturbed):
    return np.array_equal(read_image(output).data, undisturbed)


def test_the_main_process_is_killed_and_the_run_resumed(source, output, undisturbed, start):
    run = start(source, output, 0.3)
    wait_until(lambda: tiles_done(output) >= 4)
    run.kill()
    run.join()
    before = tiles_done(output)
    assert 4 <= before < 16
    assert not output.exists()
    result = streamed(source, output, 0.3, resume=True, workers=16)
    assert result.report.tiles["resumed"] == before
    assert same(output, undisturbed)
    assert not journal_of(output).exists()


def test_ctrl_c_ends_within_a_tile(source, output, undisturbed, start):
    run = start(source, output, 0.5)
    wait_until(lambda: tiles_done(output) >= 2)
    asked = time.monotonic()
    os.kill(run.pid, signal.SIGINT)
    run.join(30)
    assert time.monotonic() - asked < 10
    assert run.exitcode not in (None, 0)
    assert not output.exists()
    streamed(source, output, 0.5, resume=True, workers=16)
    assert same(output, undisturbed)


def test_a_worker_is_killed(source, output, undisturbed, forked):
    import psutil

    thread, ends = in_background(
        lambda: streamed(source, output, 0.3, scheduler="local", workers=2)
    )
    wait_until(lambda: tiles_done(output) >= 2 or ends)
    workers = [
        child
        for child in psutil.Process().children(recursive=True)
        if child.ppid() != os.getpid() and "forkserver" in " ".join(child.cmdline())
    ]
    assert len(workers) >= 2
    os.kill(workers[0].pid, signal.SIGKILL)
    thread.join(120)
    assert not isinstance(ends[0], Exception), ends
    assert same(output, undisturbed)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class OwnCluster:
    """A scheduler and a worker as processes of their own, as on a real cluster."""

    def __init__(self, forked):
        self.forked = forked
        self.port = free_port()
        self.address = f"tcp://127.0.0.1:{self.port}"
        self._programs = []

    def start(self):
        for arguments in (
            ("scheduler", "--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard"),
            ("worker", self.address, "--nthreads", "2", "--no-nanny", "--no-dashboard"),
        ):
            program = self.forked.Process(target=run_dask_program, args=arguments)
            program.start()
            self._programs.append(program)

    def kill(self):
        for program in self._programs:
            program.kill()
            program.join()
        self._programs.clear()


@pytest.fixture
def own_cluster(forked):
    cluster = OwnCluster(forked)
    cluster.start()
    yield cluster
    cluster.kill()


@pytest.mark.slow
def test_the_scheduler_is_lost_and_comes_back(source, output, undisturbed, own_cluster):
    told = []
    thread, ends = in_background(
        lambda: streamed(
            source, output, 0.5, scheduler=own_cluster.address, patience=90, on_message=told.append
        )
    )
    wait_until(lambda: tiles_done(output) >= 3 or ends)
    own_cluster.kill()
    wait_until(lambda: any("lost" in text for text in told) or ends)
    own_cluster.start()
    thread.join(180)
    assert ends, "the run hangs"
    assert not isinstance(ends[0], Exception), ends
    assert any("is back" in text for text in told)
    assert same(output, undisturbed)


def test_a_scheduler_that_is_not_there_is_said_so(source, output):
    with pytest.raises(UnblurError, match="no dask scheduler at tcp://127.0.0.1:9"):
        streamed(source, output, 0.0, scheduler="tcp://127.0.0.1:9", patience=1)


@pytest.fixture
def tiny_disk(tmp_path):
    """Return a folder on a file system of 300 kB."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small tmpfs")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_freed_and_the_run_resumed(source, undisturbed, tiny_disk):
    output, ballast = tiny_disk / FILE, tiny_disk / "ballast"
    ballast.write_bytes(b"0" * 200_000)
    with pytest.raises(UnblurError, match="No space|no space"):
        streamed(source, output, 0.0)
    assert not output.exists()
    ballast.unlink()
    streamed(source, output, 0.0, resume=True)
    assert same(output, undisturbed)


def test_a_damaged_chunk_is_named_and_the_rest_done(source, output, undisturbed, tmp_path):
    import shutil

    copy = tmp_path / "damaged.zarr"
    shutil.copytree(source, copy)
    chunk = next(path for path in copy.rglob("*") if path.parts[-2:] == ("2", "1"))
    chunk.write_bytes(b"not a chunk")
    result = streamed(copy, output, 0.0)
    values = read_image(output).data
    assert len(result.report.failures) == 1
    assert "Y 128:192, X 64:128" in result.report.failures[0]
    assert not values[128:192, 64:128].any()
    near = np.zeros(values.shape, bool)
    near[124:196, 60:132] = True
    assert np.array_equal(values[~near], undisturbed[~near])


class Orphan:
    """A future whose scheduler dies before its result is fetched."""

    def __init__(self, before, after, error):
        self.statuses, self.error = iter([before, after]), error

    @property
    def status(self):
        return next(self.statuses)

    def result(self, timeout):
        raise self.error


@pytest.mark.parametrize(
    ("before", "after", "lost"),
    [("finished", "cancelled", True), ("error", "cancelled", True), ("error", "error", False)],
)
def test_a_result_lost_with_its_scheduler_is_no_failure_of_the_tile(before, after, lost):
    error = ValueError("as it happens")
    assert outcome_of(Orphan(before, after, error)) == (error, lost)
