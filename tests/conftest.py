"""What tests of every room share."""

from __future__ import annotations

import gc
from importlib.util import find_spec
from pathlib import Path

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Leave the modules and tests, which stay until the end, to no collection of garbage.

    There are millions of objects; every full collection during a test would visit them all.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items):
    """Skip the tests that run an installed method where torch is not installed."""
    if find_spec("torch") is None:
        for item in items:
            if item.get_closest_marker("needs_torch"):
                item.add_marker(pytest.mark.skip(reason="needs torch"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup():
    """Skip a test whose fixtures import torch where it is not installed."""
    return (yield from _skip_without_torch())


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call():
    """Skip a test that imports torch where it is not installed."""
    return (yield from _skip_without_torch())


def _skip_without_torch():
    try:
        return (yield)
    except ModuleNotFoundError as error:
        if error.name != "torch" or find_spec("torch") is not None:
            raise
        pytest.skip("needs torch")


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
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def two_threads():
    """Run torch on two threads, also if the test fails."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(threads)
