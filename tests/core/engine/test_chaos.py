"""A run on a cluster while its workers are killed and its connections and disk fail: one seed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("distributed")

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_a_run_under_faults_gives_the_undisturbed_result():
    """`benchmarks/chaos.py` makes twenty seeds of 500 tiles; here are 100 tiles."""
    command = [sys.executable, "benchmarks/chaos.py", "--seeds", "1", "--first", "1"]
    finished = subprocess.run(
        [*command, "--edges", "640", "640"],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
    )
    assert finished.returncode == 0, finished.stderr
    row = json.loads(finished.stdout)
    assert row["equal"]
    assert (row["tiles"], row["repeated"]) == (100, 0)
    assert row["events"]
