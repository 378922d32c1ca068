"""Text of a report as HTML."""

from __future__ import annotations

import html

from unblur.errors import printable


def escape(text: str) -> str:
    """Return `text` for HTML content or attributes, control characters as visible escapes.

    Names of files may hold characters that HTML does not allow, and bytes that are not UTF-8.
    """
    return html.escape(printable(text))
