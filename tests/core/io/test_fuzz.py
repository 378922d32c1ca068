"""Altered files of every format: each is read or refused in one sentence, with nothing else done.

`python benchmarks/fuzz.py` makes many more such cases, in processes of their own.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
CASES = 300


@pytest.fixture
def fuzz(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    import fuzz_check
    import fuzz_seeds

    yield fuzz_check, fuzz_seeds
    for name in ("fuzz_check", "fuzz_mutations", "fuzz_seeds"):
        sys.modules.pop(name, None)


def test_altered_files_are_read_or_refused_in_one_sentence(fuzz, tmp_path):
    check, seeds = fuzz
    (tmp_path / "seeds").mkdir()
    made = seeds.make_seeds(tmp_path / "seeds")
    groups = {seed.group for seed in made}
    assert {"tiff", "ome-xml", "png", "jpeg", "fits", "zarr", "npy", "pipeline", "psf"} <= groups
    watch = check.Watch(tmp_path)
    found = []
    for number in range(CASES):
        seed = made[number % len(made)]
        outcome = check.run_case(seed, number, 28, tmp_path / "case", watch)
        if outcome.status not in ("read", "refused"):
            found.append(f"{seed.path.name} case {number}: {outcome.status} {outcome.detail}")
    assert not found, "\n".join(found)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["seeds"]
