"""The registry of plugins: hooks, their specifications, and what plugins registered."""

from unblur.plugins.manager import Registry, plugin_manager, registry

__all__ = ["Registry", "plugin_manager", "registry"]
