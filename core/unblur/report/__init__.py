"""A self-contained page that shows results with a before/after slider."""

from unblur.report.entry import Entry, load_entry
from unblur.report.page import page

__all__ = ["Entry", "load_entry", "page"]
