"""The `unblur` command, one module per verb. Nothing heavy is imported until a verb runs."""

from unblur.cli.app import app, main

__all__ = ["app", "main"]
