"""What the plugin registers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from unblur.plugins.markers import hook

if TYPE_CHECKING:
    from unblur.model.stages import Stage


@hook
def unblur_stages() -> Iterable[type[Stage]]:
    """Register the estimator."""
    from unblur_kotera.stage import Kotera

    return [Kotera]
