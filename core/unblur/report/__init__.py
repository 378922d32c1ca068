"""Results shown: a self-contained page with a before/after slider; the files beside a result."""

from unblur.report.entry import Entry, load_entry
from unblur.report.page import page
from unblur.report.sidecars import account_path, kernel_path, read_account, write_sidecars

__all__ = [
    "Entry",
    "account_path",
    "kernel_path",
    "load_entry",
    "page",
    "read_account",
    "write_sidecars",
]
