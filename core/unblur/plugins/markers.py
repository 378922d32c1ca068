"""The two pluggy markers. A plugin imports `hook` from here and nothing else of pluggy."""

import pluggy

PROJECT = "unblur"

hook = pluggy.HookimplMarker(PROJECT)
"""Marks a plugin's function as the implementation of a hook in `unblur.plugins.hookspecs`."""

hookspec = pluggy.HookspecMarker(PROJECT)
"""Marks a function of `unblur.plugins.hookspecs` as a hook."""
