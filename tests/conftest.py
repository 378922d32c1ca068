"""What tests of every room share."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real images beside the repository; tests that need it skip where it is not."""
    folder = Path(__file__).resolve().parents[1].parent / "shared"
    if not folder.is_dir():
        pytest.skip("the folder ../shared with real images is not here")
    return folder


@pytest.fixture(scope="module")
def one_thread():
    """Run torch on one thread, for tests that optimise networks on small images.

    Such an optimisation takes some 10^5 operations of a few microseconds. With several threads
    each of them ends in a barrier, which waits for a time slice where other processes keep the
    cores busy: the test takes minutes instead of seconds.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
