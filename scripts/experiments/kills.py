#!/usr/bin/env python3
"""Kills orch with SIGKILL at random moments of every command that stores a result.

    kills.py --orch target/release/orch [--kills 1000] [--seed 1]

Each command has its own project: a git repository with a C plugin and twelve commits, c0 to c11.
From c6 on, the plugin allocates once more. After each kill, every result file must be complete.
After every twentieth start of a command, the script runs the command to its end, from its journal
if there is one. The command must then give the right answer, and must leave behind no process, no
unfinished file, no scratch folder and no journal. The exit code is 1 if any of these checks fails.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parents[1] / "orchestrator/tests/fixtures/sides.c"
COMMITS, CULPRIT = 12, 6
FINISH_EVERY = 20
PATIENCE_S = 5.0  # longest time until the processes of a killed orch are gone
TABLE = "method,previous_ms,current_ms\nmatmul,12,11\ngelu,3,4\n"


@dataclass
class Command:
    """A command of orch, with its exit code and its result file if nothing disturbs it."""

    name: str
    arguments: list[str]
    code: int
    result: str
    resume: list[str] = field(default_factory=list)  # arguments that continue from a journal
    folder: Path = Path()
    seconds: float = 1.0
    kills: int = 0
    whole: int = 0
    problems: list[str] = field(default_factory=list)


def commands() -> list[Command]:
    scenario = "scenarios/s.yaml"
    ends = [
        "--workload",
        "work",
        "--good",
        "c0",
        "--bad",
        f"c{COMMITS - 1}",
        "--metric",
        "allocations",
    ]
    return [
        Command("run", ["run", scenario], 0, "record.json", ["run", scenario, "--resume"]),
        Command("compare", ["compare", "c0", f"c{CULPRIT}", "--pairs", "2"], 1, "comparison.json"),
        Command("check", ["check", scenario, "--baseline", "c0"], 1, "comparison.json"),
        Command("bisect", ["bisect", scenario, *ends], 1, "bisect.json", ["bisect", "--resume"]),
        Command("import", ["import", "table.csv"], 0, "comparison.json"),
    ]


def git(folder: Path, *arguments: str) -> None:
    who = [
        "-c",
        "user.name=Test",
        "-c",
        "user.email=test@example.org",
        "-c",
        "commit.gpgsign=false",
    ]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, capture_output=True)


def make_project(folder: Path) -> None:
    """Makes the repository of one command."""
    for name in ("plugin", "scenarios", "tmp"):
        (folder / name).mkdir(parents=True)
    (folder / "orch.yaml").touch()
    (folder / "table.csv").write_text(TABLE)
    (folder / ".gitignore").write_text("cache/\nlock\nresults/\ntmp/\ncommand.*\n")
    shutil.copy(SOURCE, folder / "plugin/sides.c")
    build = (
        'cc -O1 $ORCH_CFLAGS -shared -fPIC -w $(cat flags) -I"$ORCH_INCLUDE" sides.c -o "$ORCH_OUT"'
    )
    (folder / "scenarios/s.yaml").write_text(
        "defaults: { tolerance: 20%, time: 20ms, timeout: 20s }\nbudget: 100ms\nplugins:\n"
        f"  sides: {{ dir: plugin, build: '{build}' }}\nworkloads: [{{ workload: sides/work }}]\n"
    )
    git(folder, "init", "-q")
    for number in range(COMMITS):
        more = "-DALLOCATIONS=2" if number >= CULPRIT else ""
        (folder / "plugin/flags").write_text(f"-DC_{number} {more}\n")
        git(folder, "add", ".")
        git(folder, "commit", "-q", "-m", f"c{number}")
        git(folder, "tag", f"c{number}")


def journals(folder: Path) -> list[Path]:
    """Returns the journals from which a killed command continues."""
    # A run in a hidden folder has not begun, and a run with a record has ended.
    runs = [
        file
        for file in folder.glob("results/[!.]*/journal.jsonl")
        if not (file.parent / "record.json").exists()
    ]
    return [*runs, *folder.glob("cache/orch/bisect/[!.]*/journal.jsonl")]


def start(orch: Path, command: Command, resume: bool) -> subprocess.Popen:
    folder = command.folder
    environment = dict(
        os.environ,
        XDG_CACHE_HOME=str(folder / "cache"),
        ORCH_LOCK_FILE=str(folder / "lock"),
        TMPDIR=str(folder / "tmp"),
    )
    arguments = command.resume if resume else command.arguments
    with (folder / "command.out").open("w") as out, (folder / "command.err").open("w") as err:
        return subprocess.Popen(
            [orch, *arguments], cwd=folder, env=environment, stdout=out, stderr=err
        )


def check_results(command: Command) -> None:
    """Checks that every result file is complete."""
    for file in command.folder.glob("results/*/*.json"):
        try:
            json.loads(file.read_text())
        except ValueError as error:
            command.problems.append(f"incomplete: {file}: {error}")


def processes(orch: Path) -> Iterator[int]:
    """Yields the processes of the copy of orch that belongs to this script."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if os.readlink(entry / "exe").startswith(str(orch)):
                    yield int(entry.name)
            except OSError:
                pass


def finish(orch: Path, command: Command, random_: random.Random) -> None:
    """Runs the command to its end, and checks what it leaves behind."""
    folder = command.folder
    run = start(orch, command, bool(command.resume and journals(folder)))
    code = run.wait()
    if code != command.code:
        said = (folder / "command.err").read_text()
        command.problems.append(f"exit code {code} after {command.kills} kills: {said}")
    command.whole += 1
    check_results(command)
    results = sorted(
        folder.glob(f"results/*/{command.result}"), key=lambda file: file.stat().st_mtime_ns
    )
    if not results:
        command.problems.append("no result")
    elif command.name == "bisect":
        named = [
            one["about"][0]["subject"] for one in json.loads(results[-1].read_text())["culprits"]
        ]
        if named != [f"c{CULPRIT}"]:
            command.problems.append(f"named {named}")
    left = [
        *folder.rglob("*.tmp"),
        *folder.glob("tmp/orch-scratch-*/*"),
        *folder.glob("results/.*"),
    ]
    if command.resume:
        left += journals(folder)
    if left:
        command.problems.append(f"left behind: {left}")
    shutil.rmtree(folder / "results", ignore_errors=True)
    # Without the cache, the next kills interrupt builds again. With the cache, nothing is checked
    # out again, so that a leftover in the folder of the worktree stays until the end.
    if random_.random() < 0.5:
        shutil.rmtree(folder / "cache", ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orch", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", help="use one command instead of all")
    arguments = parser.parse_args()
    random_ = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as place:
        # The workers of this script run its own copy, which distinguishes them from others.
        orch = Path(place) / "orch"
        shutil.copy(arguments.orch, orch)
        chosen = [one for one in commands() if arguments.only in (None, one.name)]
        for command in chosen:
            command.folder = Path(place) / command.name
            make_project(command.folder)
            begun = time.monotonic()
            finish(orch, command, random_)
            command.seconds = time.monotonic() - begun
        number = 0
        while sum(command.kills for command in chosen) < arguments.kills:
            command = chosen[number % len(chosen)]
            number += 1
            run = start(orch, command, bool(command.resume and journals(command.folder)))
            try:
                run.wait(random_.uniform(0.0, command.seconds))
            except subprocess.TimeoutExpired:
                run.send_signal(signal.SIGKILL)
                run.wait()
            command.kills += run.returncode == -signal.SIGKILL
            check_results(command)
            if (number - 1) // len(chosen) % FINISH_EVERY == FINISH_EVERY - 1:
                finish(orch, command, random_)
        for command in chosen:
            finish(orch, command, random_)
        patience = time.monotonic() + PATIENCE_S
        while (left := list(processes(orch))) and time.monotonic() < patience:
            time.sleep(0.1)
    for command in chosen:
        problems = "; ".join(command.problems) or "all checks passed"
        print(f"{command.name}: {command.kills} kills, {command.whole} complete runs: {problems}")
    print(f"processes left: {left or 'none'}")
    return 1 if left or any(command.problems for command in chosen) else 0


if __name__ == "__main__":
    sys.exit(main())
