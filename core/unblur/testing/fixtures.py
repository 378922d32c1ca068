"""Pytest fixtures for plugin authors: `pytest_plugins = ["unblur.testing.fixtures"]`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from unblur.plugins.manager import Registry, collect, plugin_manager, register
from unblur.testing.scenes import SyntheticScene, synthetic_scene


@pytest.fixture
def registry_with() -> Callable[..., Registry]:
    """Return a function that builds a registry of the given plugin modules only.

    Example
    -------
    >>> def test_mine(registry_with):
    ...     assert ("deconvolve", "mine") in registry_with(my_plugin).stages
    """

    def build(*plugins: Any) -> Registry:
        manager = plugin_manager(load_installed=False)
        for number, plugin in enumerate(plugins):
            register(manager, plugin, getattr(plugin, "__name__", f"plugin-{number}"))
        return collect(manager)

    return build


@pytest.fixture
def blurred_scene() -> SyntheticScene:
    """Return a small synthetic scene, blurred by a Gaussian, with noise of 0.5 % of white."""
    return synthetic_scene(noise=0.005)
