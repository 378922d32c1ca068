"""The lock of an output: on file systems without locks, and between machines."""

import errno
import fcntl
import os
import socket
import subprocess
import sys

import pytest

from unblur.errors import OutputError
from unblur.runs.run_lock import RunLock
from unblur.runs.store import alone, journal_path

UNSHARE = ("unshare", "--uts", "--pid", "--fork")


@pytest.fixture
def without_locks(monkeypatch):
    """A file system on which flock fails, as on a Lustre that was mounted without it."""

    def fail(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", fail)


@pytest.mark.usefixtures("without_locks")
def test_a_file_stands_for_the_lock_where_there_are_none(tmp_path):
    output = tmp_path / "a.tif"
    with alone(output):
        with (
            pytest.raises(OutputError, match=rf"{os.getpid()} on .*if it has ended, remove "),
            alone(output),
        ):
            raise AssertionError
        assert journal_path(output).exists()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("without_locks")
def test_a_file_that_a_killed_process_left_is_replaced(tmp_path):
    killed = subprocess.Popen([sys.executable, "-c", ""])
    killed.wait()
    claim = tmp_path / "claim"
    claim.write_text(f"process {killed.pid} on {socket.gethostname()}")
    held = RunLock.acquire(tmp_path / "lock")
    assert claim.read_text() == f"process {os.getpid()} on {socket.gethostname()}"
    held.close()
    claim.write_text(f"process {killed.pid} on another-{socket.gethostname()}")
    assert "on another-" in RunLock.acquire(tmp_path / "lock")


def test_a_run_on_another_host_is_named(tmp_path):
    """Of two hosts on one folder the second is refused, whatever its process numbers are."""
    if subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no right to make namespaces")
    lines = (
        "import socket, sys; from pathlib import Path; from unblur.runs.store import alone",
        "socket.sethostname('node7')",
        "with alone(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()",
    )
    output = tmp_path / "a.tif"
    command = [*UNSHARE, sys.executable, "-c", "\n".join(lines), str(output)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(OutputError, match=r"process \d+ on node7"), alone(output):
            raise AssertionError
        other.communicate("")
    with alone(output):
        pass
