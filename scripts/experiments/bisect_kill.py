#!/usr/bin/env python3
"""Kills `orch bisect` at random moments, resumes it, and checks the results.

    bisect_kill.py --orch target/release/orch --sdk plugins/sdk
                   [--kills 10] [--commits 32] [--seed 1]

The bisect must name the planted culprit, repeat no finished build, and leave nothing behind.
history.py makes the repository. If a check fails, the script prints a message and exits with 1.
"""

import argparse
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent


def tree(root):
    """Returns a hash of the content, mode and modification time of every file below a folder.

    The hash includes the files of `.git` and excludes results.
    """
    digest = hashlib.sha256()
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name != "results")
        for name in sorted(files):
            path = Path(folder) / name
            digest.update(
                (
                    f"{path.relative_to(root)} {path.lstat().st_mode:o} {path.lstat().st_mtime_ns} "
                ).encode()
            )
            digest.update(path.read_bytes())
    return digest.hexdigest()


def history(folder, arguments, plant, seed, *more):
    """Makes a history in `folder/user`, and returns the description that history.py prints."""
    command = [
        sys.executable,
        HERE / "history.py",
        folder / "user",
        "--commits",
        str(arguments.commits),
        "--plant",
        plant,
        "--seed",
        str(seed),
        "--sdk",
        arguments.sdk,
        *more,
    ]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def isolated(folder, **more):
    """Returns the environment of an orch that has its own cache and lock."""
    return dict(
        os.environ,
        XDG_CACHE_HOME=str(folder / "cache"),
        ORCH_LOCK_FILE=str(folder / "lock"),
        **more,
    )


def command_for(orch, plant):
    """Returns the command that bisects a whole history."""
    metric = ["--metric", "allocations"] if plant == "allocation" else []
    return [
        orch,
        "bisect",
        "scenarios/bench.yaml",
        "--workload",
        "sum",
        "--good",
        "good",
        "--bad",
        "bad",
        "--json",
        *metric,
    ]


def size(folder):
    """Returns the number of bytes of state on disk."""
    return sum(
        path.stat().st_size for path in (folder / "cache/orch/bisect").glob("*/journal.jsonl")
    )


def workers(mark):
    """Returns the processes that carry the environment of this script's runs."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            try:
                if mark.encode() in Path(f"/proc/{entry}/environ").read_bytes():
                    found.append(int(entry))
            except OSError:
                pass
    return found


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orch", required=True)
    parser.add_argument("--sdk", required=True)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--commits", type=int, default=32)
    parser.add_argument("--plant", default="time")
    parser.add_argument(
        "--longest", type=float, default=4.0, help="kill after at most this many seconds"
    )
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    orch = str(Path(arguments.orch).resolve())
    rng = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        made = history(folder, arguments, arguments.plant, arguments.seed)
        expected = made["culprit"]
        mark = f"BISECT_KILL={os.getpid()}-{time.time_ns()}"
        name, value = mark.split("=")
        environment = isolated(folder, TMPDIR=str(folder / "tmp"), **{name: value})
        (folder / "tmp").mkdir()
        before = tree(folder / "user")
        first = command_for(orch, arguments.plant)
        resume = [orch, "bisect", "--resume", "--json"]
        notes, repeated, kills, answer = {}, 0, 0, ""
        command = first
        while True:
            with open(folder / "log", "w+") as log, open(folder / "out", "w+") as out:
                run = subprocess.Popen(
                    command, cwd=folder / "user", env=environment, stdout=out, stderr=log
                )
                try:
                    if kills == 0:
                        # The first build compiles the SDK and takes the longest time. All kills
                        # before its end would test the same state.
                        while run.poll() is None and size(folder) < 2000:
                            time.sleep(0.05)
                    run.wait(
                        rng.uniform(0.0, arguments.longest) if kills < arguments.kills else None
                    )
                except subprocess.TimeoutExpired:
                    run.send_signal(signal.SIGKILL)
                    run.wait()
                    kills += 1
                log.seek(0)
                out.seek(0)
                text, answer = log.read(), out.read()
            for note in (folder / "cache/orch/builds").glob("*.json"):
                # orch writes a note when a build ends. A repeated build writes its note again.
                when = note.stat().st_mtime_ns
                repeated += notes.setdefault(note.name, when) != when
            print(
                f"kill {kills}: {len(notes)} builds noted, state {size(folder)} bytes", flush=True
            )
            if run.returncode != -signal.SIGKILL:
                break
            command = resume if size(folder) else first
        problems = []
        report = json.loads(answer) if answer else {}
        if run.returncode != (1 if expected else 0):
            problems.append(f"exit code {run.returncode}: {text}")
        named = [culprit["commits"] for culprit in report.get("culprits", [])]
        if named != ([[expected]] if expected else []):
            problems.append(f"named {named}, expected {expected}")
        if repeated:
            problems.append(f"{repeated} finished builds were repeated")
        if tree(folder / "user") != before:
            problems.append("the user's folder changed")
        if list((folder / "cache/orch/bisect").iterdir()):
            problems.append("state was left behind")
        if list((folder / "tmp").iterdir()):
            problems.append(
                "temporary files were left behind: "
                f"{[path.name for path in (folder / 'tmp').iterdir()]}"
            )
        left = workers(mark)
        if left:
            problems.append(f"processes were left behind: {left}")
        print(
            f"{kills} kills, {len(notes)} builds, culprit {named}: "
            f"{'; '.join(problems) or 'all checks passed'}"
        )
        return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
