#!/usr/bin/env python3
"""Runs a thousand good and misbehaving jobs, and checks what orch holds and leaves behind.

    leaks.py --orch target/release/orch --sdk plugins/sdk [--jobs 1000] [--seed 1]

The misbehaving jobs crash, exit, fork, or write where they must not. If a check fails, the script
ends with a message. A thousand jobs take a minute.
"""

import argparse
import fcntl
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ZOO = ROOT / "orchestrator/tests/fixtures/zoo/zoo.c"
# Behaviours of workloads, and whether orch measures their jobs.
WAYS = {
    "good": True,
    "illegal": False,
    "leaves": False,
    "many_children": True,
    "junk_everywhere": False,
    "double_fork": True,
    "double_free": False,
    "fork_returns": False,
    "long_digest": False,
    "hydra": True,
}
TENTHS = 10


def scenario(jobs, mark):
    """Returns a scenario with this many jobs, which have all behaviours in turn."""
    lines = [
        "defaults: { time: 2ms, rounds: 1, timeout: 20s, memory: 128MiB }",
        f"plugins: {{ zoo: {{ path: libzoo.so, env: {{ ORCH_LEAKS: '{mark}' }} }} }}",
        "workloads:",
    ]
    ways = list(WAYS)
    lines += [
        f"  - {{ id: {ways[i % len(ways)]}-{i}, workload: zoo/{ways[i % len(ways)]} }}"
        for i in range(jobs)
    ]
    return "\n".join(lines) + "\n"


def held(pid):
    """Returns the descriptors, children and resident KiB that a process holds now.

    Returns None if the process is gone.
    """
    try:
        descriptors = len(os.listdir(f"/proc/{pid}/fd"))
        children = len(Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        status = Path(f"/proc/{pid}/status").read_text()
        resident = int(status.split("VmRSS:")[1].split()[0])
        return descriptors, children, resident
    except (OSError, IndexError):
        return None


def marked(mark):
    """Returns the processes whose environment contains this script's mark."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"ORCH_LEAKS={mark}".encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(folder.name)
        except OSError:
            pass
    return found


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def is_locked(path):
    """Returns whether a process holds the measuring lock."""
    with open(path, encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orch", required=True, type=Path)
    parser.add_argument("--sdk", required=True, type=Path)
    parser.add_argument("--jobs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "orch.yaml").touch()
        (folder / "tmp").mkdir()
        subprocess.run(
            [
                "cc",
                "-O1",
                "-shared",
                "-fPIC",
                "-w",
                "-pthread",
                "-I",
                arguments.sdk / "include",
                ZOO,
                "-o",
                folder / "libzoo.so",
                "-lm",
            ],
            check=True,
        )
        (folder / "s.yaml").write_text(scenario(arguments.jobs, name), encoding="utf-8")
        environment = dict(
            os.environ,
            XDG_CACHE_HOME=str(folder / "cache"),
            ORCH_LOCK_FILE=str(folder / "lock"),
            TMPDIR=str(folder / "tmp"),
        )
        before = files(folder)
        begun = time.monotonic()
        with open(folder / "said", "wb") as said:
            child = subprocess.Popen(
                [arguments.orch.resolve(), "run", "s.yaml", "--seed", str(arguments.seed)],
                cwd=folder,
                env=environment,
                stdout=said,
                stderr=said,
            )
            samples, locked = [], 0
            while child.poll() is None:
                sample = held(child.pid)
                if sample:
                    samples.append(sample)
                    locked += (folder / "lock").exists() and is_locked(folder / "lock")
                time.sleep(0.005)
        took = time.monotonic() - begun
        if child.returncode != 201:
            sys.exit(
                f"exit code {child.returncode}, expected 201: "
                f"{(folder / 'said').read_text(errors='replace')[-2000:]}"
            )

        print(
            f"{arguments.jobs} jobs in {took:.0f} s, {len(samples)} samples, lock held in {locked}"
        )
        print(
            "| tenth of the run | descriptors, median / most | children, median / most "
            "| resident MiB, median |"
        )
        print("|---|---|---|---|")
        tenths = [
            samples[i * len(samples) // TENTHS : (i + 1) * len(samples) // TENTHS]
            for i in range(TENTHS)
        ]
        for number, tenth in enumerate(tenths, 1):
            descriptors, children, resident = zip(*tenth)
            print(
                f"| {number} | {statistics.median(descriptors):.0f} / {max(descriptors)} "
                f"| {statistics.median(children):.0f} / {max(children)} "
                f"| {statistics.median(resident) / 1024:.1f} |"
            )
        most = [max(descriptors for descriptors, _, _ in tenth) for tenth in tenths]
        if max(most[5:]) > max(most[:5]) + 4:
            sys.exit(f"descriptors grew: at most {most} per tenth")

        left = marked(name)
        if left:
            sys.exit(f"processes are left behind: {left}")
        if is_locked(folder / "lock"):
            sys.exit("the lock is still held")
        results = list((folder / "results").iterdir())
        after = [
            path
            for path in files(folder)
            if not path.startswith("results/") and path not in ("said", "lock")
        ]
        if after != before:
            sys.exit(f"files are left behind: {sorted(set(after) - set(before))}")
        if files(folder / "tmp") or [
            path.name for path in results[0].iterdir() if path.suffix == ".jsonl"
        ]:
            sys.exit("temporary files or the journal are left behind")
        record = json.loads((results[0] / "record.json").read_text(encoding="utf-8"))
        wrong = [
            job["id"]
            for job in record["jobs"]
            if (job["outcome"] == "measured") != WAYS[job["id"].rsplit("-", 1)[0]]
        ]
        if len(record["jobs"]) != arguments.jobs or wrong:
            sys.exit(f"{len(record['jobs'])} jobs; these have an unexpected outcome: {wrong}")
        digests = {
            json.dumps(job["digest"]) for job in record["jobs"] if job["id"].startswith("good")
        }
        counts = {
            json.dumps(
                [
                    job["allocations"]["exact"],
                    job["allocations"]["count"],
                    job["allocations"]["bytes"],
                ]
            )
            for job in record["jobs"]
            if job["id"].startswith("good")
        }
        if len(digests) != 1 or counts != {"[true, 1, 100]"}:
            sys.exit(f"good jobs differ: digests {digests}, counts {counts}")
        print("nothing is left behind; all good jobs have equal digests and counts")


if __name__ == "__main__":
    main()
