"""Rebuild what lies under `benchmarks/results`: all of it, or the targets that are named.

    python benchmarks/run.py              # everything but the targets marked heavy
    python benchmarks/run.py levin-blind  # one target
    python benchmarks/run.py --list

Tables are made by `unblur bench` on data beside the repository (`../shared/data`); comparisons
with other tools and times by the scripts in this folder. The files of a target that is not run
stay as they were last measured, each with device, date and versions.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time

from targets import RESULTS, ROOT, TARGETS


def main() -> None:
    """Run the chosen targets and report the failed ones."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "targets", nargs="*", metavar="TARGET", help="all but the heavy ones, if none is named"
    )
    parser.add_argument("--list", action="store_true", help="show the targets")
    options = parser.parse_args()
    known = {target.name: target for target in TARGETS}
    if options.list:
        for target in TARGETS:
            print(f"{target.name:24} {target.about}{' (heavy)' if target.heavy else ''}")
        return
    if unknown := [name for name in options.targets if name not in known]:
        parser.error(f"there is no target {unknown[0]}; known: {', '.join(known)}")
    (ROOT / RESULTS).mkdir(exist_ok=True)
    failed = []
    light = [target.name for target in TARGETS if not target.heavy]
    for name in options.targets or light:
        print(f"{name}: {known[name].about}", flush=True)
        began = time.perf_counter()
        if subprocess.run(known[name].command, cwd=ROOT, check=False).returncode:
            failed.append(name)
        print(f"{name}: {time.perf_counter() - began:.0f} s\n", flush=True)
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
