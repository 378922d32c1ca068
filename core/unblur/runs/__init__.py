"""Deblurring from file to file, for the command, the widget and the benchmarks."""

from unblur.runs.file import RunOptions, SharedFreeze, deblur_file
from unblur.runs.file_jobs import FileJob, file_jobs
from unblur.runs.sidecars import kernel_path, read_report, report_path, write_sidecars
from unblur.runs.store import deblur_to_store, journal_path

__all__ = [
    "FileJob",
    "RunOptions",
    "SharedFreeze",
    "deblur_file",
    "deblur_to_store",
    "file_jobs",
    "journal_path",
    "kernel_path",
    "read_report",
    "report_path",
    "write_sidecars",
]
