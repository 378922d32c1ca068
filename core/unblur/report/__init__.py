"""A self-contained page that shows results with a before/after slider."""

from unblur.report.entry import ReportEntry, load_entry
from unblur.report.page import page

__all__ = ["ReportEntry", "load_entry", "page"]
