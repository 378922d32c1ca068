"""Pipelines compared on images whose truth is known: scores, time, memory, a table, a picture."""

from unblur.bench.pairs import Pair, PairSet, Protocol, load_set
from unblur.bench.race import Entrant, race, run_pair
from unblur.bench.results import HEADINGS, Results, write_results
from unblur.bench.scores import Mean, Row, Score, score
from unblur.bench.sheet import Album, chosen

__all__ = [
    "HEADINGS",
    "Album",
    "Entrant",
    "Mean",
    "Pair",
    "PairSet",
    "Protocol",
    "Results",
    "Row",
    "Score",
    "chosen",
    "load_set",
    "race",
    "run_pair",
    "score",
    "write_results",
]
