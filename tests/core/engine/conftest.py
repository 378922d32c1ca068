"""Pipelines of tiny stages for tests of the engine."""

import numpy as np
import pytest
from engine_stages import Box, tiny_registry

import unblur.pipeline


@pytest.fixture(autouse=True)
def stages(monkeypatch):
    """Put the tiny stages in place of the installed ones."""
    found = tiny_registry()
    monkeypatch.setattr(unblur.pipeline, "registry", lambda: found)
    Box.seen.clear()
    return found


@pytest.fixture
def pipeline():
    """Return a function that makes a pipeline of steps written as "kind:name"."""

    def make(*steps, **tiles):
        named = [dict([step.split(":")]) for step in steps]
        return unblur.pipeline.Pipeline(summary="A test.", steps=named, tiles=tiles)

    return make


@pytest.fixture
def box():
    return np.full((3, 3), 1 / 9)
