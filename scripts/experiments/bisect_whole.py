#!/usr/bin/env python3
"""Runs `orch bisect` on whole generated histories, and prints whether the answers were right.

    bisect_whole.py --orch target/release/orch --sdk plugins/sdk
                    [--commits 64] [--seeds 3] [--kinds time,none,allocation]

history.py makes each history. A fifth of the commits do not build, some touch only documents, and
some add functions to the same library. Every history has its own cache. A run is wrong if it names
a commit other than the planted one, or names any commit where none was planted. The script also
checks the exit codes and the user's folder.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bisect_kill import command_for, history, isolated, tree


def one(arguments, orch, kind, seed):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        expected = history(folder, arguments, kind, seed, "--percent", str(arguments.percent))
        before = tree(folder / "user")
        begun = time.monotonic()
        run = subprocess.run(
            command_for(orch, kind),
            cwd=folder / "user",
            env=isolated(folder),
            capture_output=True,
            text=True,
        )
        took = time.monotonic() - begun
        report = (
            json.loads(run.stdout)
            if run.stdout
            else {"culprits": [], "outcome": "nothing", "skipped": []}
        )
        named = [culprit["commits"] for culprit in report["culprits"]]
        right = named == ([[expected["culprit"]]] if expected["culprit"] else [])
        right = (
            right
            and run.returncode == (1 if expected["culprit"] else 0)
            and tree(folder / "user") == before
        )
        if not right:
            print(run.stderr, file=sys.stderr)
        change = (
            report["culprits"][0]["change"]
            if report["culprits"]
            else report.get("ends", {}).get("change")
        )
        print(
            f"| {kind} | {seed} | {expected['position'] or ''} | {expected['broken']} | "
            f"{report['outcome']} | {'right' if right else 'WRONG'} "
            f"| {change['estimate']:+.2%} | "
            if change
            else f"| {kind} | {seed} | {expected['position'] or ''} | {expected['broken']} | "
            f"{report['outcome']} | {'right' if right else 'WRONG'} | | ",
            end="",
        )
        print(
            f"{report.get('builds')} | {report.get('pairs')} | {len(report['skipped'])} | "
            f"{took:.0f} s |",
            flush=True,
        )
        return right


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orch", required=True)
    parser.add_argument("--sdk", required=True)
    parser.add_argument("--commits", type=int, default=64)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument(
        "--percent", type=int, default=5, help="make the planted commit slower by this percentage"
    )
    parser.add_argument("--kinds", default="time,none,allocation")
    arguments = parser.parse_args()
    orch = str(Path(arguments.orch).resolve())
    print(
        "| planted | seed | at | broken | outcome | | change | builds | pairs | skipped | time |\n"
        "|---|---|---|---|---|---|---|---|---|---|---|"
    )
    results = [
        one(arguments, orch, kind, seed)
        for seed in range(1, arguments.seeds + 1)
        for kind in arguments.kinds.split(",")
    ]
    print(f"{sum(results)} of {len(results)} right")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
