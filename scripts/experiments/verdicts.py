#!/usr/bin/env python3
"""Measures how often orch's own verdicts are wrong, with workloads whose cost is known.

    verdicts.py run      makes the comparisons that are missing in --out, for at most --minutes
    verdicts.py report   prints what is there as Markdown tables
    verdicts.py selftest checks the statistics of the report against known values

Experiments (all of them take several hours; README.md beside this file has the times):

    aa        one build against itself, four workloads, quiet and under load: 8 x 52 comparisons
    power     1, 2 and 5 % more work on a random side: 570 comparisons
    exact     one more allocation: 100 comparisons
    exact-aa  counts of one build against itself under load: at least 1000 workloads
    unpaired  all of A, all of A again, all of B, one process each, for the rules of other tools: 8 x 60 times

Every comparison is a file in --out/results. What exists is not measured again, so the script may be stopped at any
time. It needs Linux and Python 3.10; the report and the selftest need numpy.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import measure
from cells import NAMES


def main() -> None:
    options = parse()
    if options.command == "run":
        setup = measure.prepare(options.orch, options.library, options.out, options.minutes)
        measure.run(setup, [options.only] if options.only else list(NAMES), options.count)
    elif options.command == "report":
        import report

        print(report.report(options.out, [options.only] if options.only else list(NAMES)))
    else:
        import selftest

        selftest.main()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("run", "report", "selftest"))
    parser.add_argument("--orch", type=Path, default=measure.ROOT / "target/release/orch", help="the program to judge")
    parser.add_argument("--library", type=Path, help="file of plugins/planted [default: built by orch]")
    parser.add_argument("--out", type=Path, default=measure.ROOT / "target/experiments", help="folder of the results")
    parser.add_argument("--minutes", type=float, default=90, help="stop before this many minutes [default: 90]")
    parser.add_argument("--only", choices=NAMES, help="one experiment instead of all")
    parser.add_argument("--count", type=int, help="comparisons per cell")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        raise SystemExit("interrupted; run again to go on") from None
