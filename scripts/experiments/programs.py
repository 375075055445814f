#!/usr/bin/env python3
"""Measures how often `orch time` is wrong about programs whose difference is known.

    scripts/experiments/programs.py --orch target/release/orch [--count 50] [--load]

Each case is a pair of command lines, in an order that a coin decides. The two lines run the same
program ("same"), or one of them does more work. A finding of a difference between the same programs
is false, and so is a finding in the wrong direction. With --load, one process per CPU computes for
random times.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
from pathlib import Path

from load import Load

LOOP = "python3 -c 'for _ in range({}): pass'"
# Name, two command lines, and the factor between their amounts of work.
CASES = [
    ("2 ms, same", "true", "true", 1.0),
    ("30 ms, same", LOOP.format(300_000), LOOP.format(300_000), 1.0),
    ("100 ms, same", LOOP.format(3_000_000), LOOP.format(3_000_000), 1.0),
    ("100 ms, 5 % more work", LOOP.format(3_000_000), LOOP.format(3_150_000), 1.05),
    ("100 ms, 20 % more work", LOOP.format(3_000_000), LOOP.format(3_600_000), 1.2),
]


def measure(orch: Path, lines: list[str], seconds: int) -> dict:
    """Makes one comparison, and returns it with its finding, estimated change and pairs."""
    command = [orch, "time", "--json", "--time", f"{seconds}s", *lines]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)["comparisons"][0]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orch", type=Path, required=True)
    parser.add_argument(
        "--count", type=int, default=50, help="make this many comparisons of each case"
    )
    parser.add_argument(
        "--seconds", type=int, default=20, help="limit a comparison to this many seconds"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--load", action="store_true", help="keep the CPUs busy")
    options = parser.parse_args()
    coin = random.Random(options.seed)
    load = Load()
    wrong = 0
    load.switch(options.load)
    try:
        for name, base, other, factor in CASES:
            found: dict[str, int] = {}
            pairs = []
            for _ in range(options.count):
                swapped = coin.random() < 0.5
                compared = measure(
                    options.orch, [other, base] if swapped else [base, other], options.seconds
                )
                finding = compared["finding"]
                if swapped:
                    finding = {"slower": "faster", "faster": "slower"}.get(finding, finding)
                found[finding] = found.get(finding, 0) + 1
                pairs.append(len(compared["pairs"]))
            false = found.get("faster", 0) + (found.get("slower", 0) if factor == 1.0 else 0)
            wrong += false
            pairs.sort()
            print(
                f"{name}: {found}, false {false} of {options.count}, "
                f"pairs {pairs[len(pairs) // 2]}",
                flush=True,
            )
    finally:
        load.switch(False)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
