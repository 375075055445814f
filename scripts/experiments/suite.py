#!/usr/bin/env python3
"""Repeats a test command under four conditions: idle, busy, one CPU, and frozen processes.

    scripts/experiments/suite.py --times 5 -- cargo test --workspace
    scripts/experiments/suite.py --times 5 --only busy,frozen -- cargo test -p orch --test e2e

In the last condition, the processes stand still at random moments. A test that fails in one of the
conditions and not in the others depends on time. The exit code is 1 if any run failed. The output
of failed runs stays in --out.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from load import Load

CONDITIONS = ("idle", "busy", "one-cpu", "frozen")
RUNS_S = (0.2, 3.0)
STANDS_S = (0.05, 1.0)


class Freezer:
    """A control group whose processes can be frozen.

    It needs root, because the folders of control groups do.
    """

    def __init__(self) -> None:
        old, new = Path("/sys/fs/cgroup/freezer"), Path("/sys/fs/cgroup")
        self.is_old = old.is_dir()
        self.folder = (old if self.is_old else new) / f"orch-suite-{os.getpid()}"
        self.folder.mkdir()

    def adopt(self, pid: int) -> None:
        (self.folder / "cgroup.procs").write_text(str(pid))

    def switch(self, frozen: bool) -> None:
        if self.is_old:
            (self.folder / "freezer.state").write_text("FROZEN" if frozen else "THAWED")
        else:
            (self.folder / "cgroup.freeze").write_text("1" if frozen else "0")

    def remove(self) -> None:
        self.switch(False)
        for _ in range(100):
            try:
                self.folder.rmdir()
                return
            except OSError:
                time.sleep(0.1)


def run(
    command: list[str], condition: str, log: Path, random_: random.Random
) -> tuple[bool, float]:
    """Runs the command once, and returns whether it succeeded and its duration in seconds."""
    load = Load()
    freezer = Freezer() if condition == "frozen" else None
    prefix = ["taskset", "-c", str(min(os.sched_getaffinity(0)))] if condition == "one-cpu" else []
    begun = time.monotonic()
    child = None
    try:
        load.switch(condition == "busy")
        with log.open("wb") as out:
            child = subprocess.Popen(
                prefix + command,
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
            if freezer:
                freezer.adopt(child.pid)
            while child.poll() is None:
                time.sleep(random_.uniform(*RUNS_S) if freezer else 0.5)
                if freezer and child.poll() is None:
                    freezer.switch(True)
                    time.sleep(random_.uniform(*STANDS_S))
                    freezer.switch(False)
    finally:
        load.switch(False)
        if freezer:
            freezer.switch(False)
        # The command still runs only if this script is stopped. cargo and its test share a group.
        if child and child.poll() is None:
            os.killpg(child.pid, signal.SIGTERM)
            child.wait()
        if freezer:
            freezer.remove()
    return child.returncode == 0, time.monotonic() - begun


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--times", type=int, default=5, help="run the command this often in each condition"
    )
    parser.add_argument(
        "--only",
        default=",".join(CONDITIONS),
        help="use only these conditions, separated by commas",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("target/experiments/suite"),
        help="write the logs into this folder",
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="choose the moments of the freezes with this seed"
    )
    parser.add_argument("command", nargs="+")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    random_ = random.Random(options.seed)
    # The exit also ends the command of a run.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    failed = 0
    for condition in options.only.split(","):
        if condition not in CONDITIONS:
            parser.error(f"unknown condition {condition}; use {', '.join(CONDITIONS)}")
        for number in range(1, options.times + 1):
            log = options.out / f"{condition}-{number}.log"
            ok, seconds = run(options.command, condition, log, random_)
            print(
                f"{condition:8} {number}  {'passed' if ok else 'FAILED'}  {seconds:6.0f} s  "
                f"{'' if ok else log}",
                flush=True,
            )
            failed += not ok
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
