"""Pipelines compared on images whose truth is known: scores, time, memory, a table, a picture."""

from unblur.bench.benchmark import Method, run_benchmark, run_pair
from unblur.bench.contact_sheet import ContactSheet, chosen
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
    "chosen",
    "load_set",
    "run_benchmark",
    "run_pair",
    "score",
    "write_results",
]
