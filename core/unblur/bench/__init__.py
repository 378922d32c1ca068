"""Benchmarks of pipelines on images with known truth: scores, time, memory, table, picture."""

from unblur.bench.benchmark import Method, run_benchmark, run_pair
from unblur.bench.contact_sheet import ContactSheet, evenly_spread
from unblur.bench.pairs import ImagePair, PairSet, Protocol, load_set
from unblur.bench.results import HEADINGS, Results, write_results
from unblur.bench.scores import Mean, Row, Score, score

__all__ = [
    "HEADINGS",
    "ContactSheet",
    "ImagePair",
    "Mean",
    "Method",
    "PairSet",
    "Protocol",
    "Results",
    "Row",
    "Score",
    "evenly_spread",
    "load_set",
    "run_benchmark",
    "run_pair",
    "score",
    "write_results",
]
