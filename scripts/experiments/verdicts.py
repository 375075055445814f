#!/usr/bin/env python3
"""Measures how often orch's own verdicts are wrong, with workloads whose cost is known.

    verdicts.py run       makes the comparisons that are missing in --out, for at most --minutes
    verdicts.py report    prints the existing results as Markdown tables
    verdicts.py selftest  checks the statistics of the report against known values

These experiments take about 80 minutes together, with 2 cores. README.md beside this file lists the
time of each.

    aa        one build against itself, four workloads, quiet and under load:
              8 x 52 comparisons, 40 minutes
    power     1, 2 and 5 % more work on a random side: 570 comparisons, 25 minutes
    exact     one more allocation: 100 comparisons, 1 minute
    exact-aa  counts of one build against itself under load: 1000 workloads, 7 minutes
    unpaired  all of A, all of A again, all of B, one process each, for other rules:
              8 x 60 times, 7 minutes

Every comparison is a file in --out/results. The script does not repeat existing results, so it may
be stopped at any time. It needs Linux and Python 3.10 or later. The report and the selftest need
numpy.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

# This precedes the imports of the modules beside this file, which would otherwise leave a folder in
# the repository.
sys.dont_write_bytecode = True

import measure
from cells import NAMES


def main() -> None:
    options = parse()
    if options.command == "run":
        setup = measure.prepare(options.orch, options.library, options.out, options.minutes)
        measure.run(
            setup, [options.only] if options.only else list(NAMES), options.count, options.cells
        )
    elif options.command == "report":
        import report

        print(report.report(options.out, [options.only] if options.only else list(NAMES)))
    else:
        import selftest

        selftest.main()


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("run", "report", "selftest"))
    parser.add_argument(
        "--orch", type=Path, help="judge this program [default: target/release/orch]"
    )
    parser.add_argument(
        "--library", type=Path, help="use this file of plugins/planted [default: built by orch]"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=measure.ROOT / "target/experiments",
        help="store the results in this folder",
    )
    parser.add_argument(
        "--minutes", type=float, default=90, help="stop before this many minutes [default: 90]"
    )
    parser.add_argument("--only", choices=NAMES, help="use one experiment instead of all")
    parser.add_argument(
        "--cells", default="*", help="run only the cells whose name matches, such as '*-quiet'"
    )
    parser.add_argument("--count", type=int, help="make this many comparisons per cell")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        main()
    except ModuleNotFoundError as missing:
        raise SystemExit(f"{missing}; pip install numpy") from None
    except KeyboardInterrupt:
        raise SystemExit("interrupted; run the command again to continue") from None
