#!/usr/bin/env python3
"""Kills `orch bisect` at random moments and resumes it: the same culprit, no finished build twice, nothing left behind.

    bisect_kill.py --orch target/release/orch --sdk plugins/sdk [--kills 10] [--commits 32] [--seed 1]

The repository is made by history.py. Everything that is asserted ends the script with a message if it does not hold.
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
    """Content and mode of everything below a folder, `.git` included, results apart."""
    digest = hashlib.sha256()
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name != "results")
        for name in sorted(files):
            path = Path(folder) / name
            digest.update(f"{path.relative_to(root)} {path.lstat().st_mode:o} {path.lstat().st_mtime_ns} ".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def history(folder, arguments, plant, seed, *more):
    """Makes a history in `folder/user`; returns what history.py says of it."""
    command = [sys.executable, HERE / "history.py", folder / "user", "--commits", str(arguments.commits), "--plant", plant,
               "--seed", str(seed), "--sdk", arguments.sdk, *more]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def isolated(folder, **more):
    """The environment of an orch with a cache and a lock of its own."""
    return dict(os.environ, XDG_CACHE_HOME=str(folder / "cache"), ORCH_LOCK_FILE=str(folder / "lock"), **more)


def command_for(orch, plant):
    """The bisect of a whole history."""
    metric = ["--metric", "allocations"] if plant == "allocation" else []
    return [orch, "bisect", "scenarios/bench.yaml", "--workload", "sum", "--good", "good", "--bad", "bad", "--json", *metric]


def size(folder):
    """Bytes of state on disk."""
    return sum(path.stat().st_size for path in (folder / "cache/orch/bisect").glob("*/journal.jsonl"))


def workers(mark):
    """Processes that carry the environment of this script's runs."""
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orch", required=True)
    parser.add_argument("--sdk", required=True)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--commits", type=int, default=32)
    parser.add_argument("--plant", default="time")
    parser.add_argument("--longest", type=float, default=4.0, help="seconds until a kill, at most")
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
                run = subprocess.Popen(command, cwd=folder / "user", env=environment, stdout=out, stderr=log)
                try:
                    if kills == 0:
                        # The first build compiles the SDK and takes longest: kills before its end would all be the same.
                        while run.poll() is None and size(folder) < 2000:
                            time.sleep(0.05)
                    run.wait(rng.uniform(0.0, arguments.longest) if kills < arguments.kills else None)
                except subprocess.TimeoutExpired:
                    run.send_signal(signal.SIGKILL)
                    run.wait()
                    kills += 1
                log.seek(0)
                out.seek(0)
                text, answer = log.read(), out.read()
            for note in (folder / "cache/orch/builds").glob("*.json"):
                # Written when a build ends, so a build that is repeated writes it again.
                when = note.stat().st_mtime_ns
                repeated += notes.setdefault(note.name, when) != when
            print(f"kill {kills}: {len(notes)} builds noted, state {size(folder)} bytes", flush=True)
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
            problems.append("state was left")
        if list((folder / "tmp").iterdir()):
            problems.append(f"temporary files were left: {[path.name for path in (folder / 'tmp').iterdir()]}")
        left = workers(mark)
        if left:
            problems.append(f"processes were left: {left}")
        print(f"{kills} kills, {len(notes)} builds, culprit {named}: {'; '.join(problems) or 'all holds'}")
        return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
