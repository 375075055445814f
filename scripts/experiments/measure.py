"""Runs orch for every task that has no result yet, and stores each result as one file."""

from __future__ import annotations

import hashlib
import fnmatch
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cells import WORK, WORKLOADS, Task, tasks
from load import Load

ROOT = Path(__file__).resolve().parents[2]
FASTEST_S = 1.0  # least time left with which a task begins
TRIES = 2


class OutOfTime(Exception):
    """The time limit of the script is reached."""


@dataclass(frozen=True)
class Setup:
    """The files and the deadline that all tasks share."""

    orch: Path
    orch_hash: str
    library: Path
    kernels: Path | None
    out: Path
    deadline: float  # a value of time.monotonic()

    @property
    def jobs(self) -> int:
        """Number of jobs in the scenario of `exact-aa`."""
        return 3 if self.kernels is None else 4


def prepare(orch: Path | None, library: Path | None, out: Path, minutes: float) -> Setup:
    """Copies the program and the libraries into the folder, and returns the setup.

    All results in the folder then come from the same files, whatever is built in the meantime.
    """
    deadline = time.monotonic() + 60 * minutes
    for folder in ("results", "work"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    work = (out / "work").resolve()
    own_orch = _kept(work / "orch", orch, lambda: ROOT / "target/release/orch")
    planted = _kept(work / "libplanted.so", library, lambda: built(own_orch))
    kernels, source = work / "libkernels.so", ROOT / "target/orch/release/libkernels.so"
    if not kernels.exists() and source.exists():
        _copy(source, kernels)
    return Setup(
        own_orch, _hash(own_orch), planted, kernels if kernels.exists() else None, out, deadline
    )


def _kept(copy: Path, asked: Path | None, default: Callable[[], Path]) -> Path:
    """Returns the folder's own copy of a file, and makes it if there is none yet."""
    if not copy.exists():
        _copy(asked or default(), copy)
    elif asked is not None and _hash(asked) != _hash(copy):
        raise SystemExit(
            f"the results in {copy.parent.parent} come from another {copy.name}; "
            "choose a new folder for --out"
        )
    return copy


def built(orch: Path) -> Path:
    """Builds the plugin by a dry run of its scenario, and returns the library."""
    command = [str(orch), "run", "scenarios/planted.yaml", "--dry-run"]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return ROOT / "target/orch/release/libplanted.so"


def run(setup: Setup, experiments: list[str], count: int | None, cells: str) -> None:
    """Runs the missing tasks until the time is up. The load ends in every case."""
    load = Load()
    # `finally` does not run if these signals end the process, so they raise an exception instead.
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(
            ending, lambda number, _frame: (_ for _ in ()).throw(SystemExit(128 + number))
        )
    try:
        for experiment in experiments:
            for task in missing(setup, experiment, count, cells):
                load.switch(task.load)
                _do(setup, task)
            print(f"{experiment}: all results exist", flush=True)
    except OutOfTime:
        print("The time is up. Run the command again to continue.", flush=True)
    finally:
        load.stop()


def missing(setup: Setup, experiment: str, count: int | None, cells: str) -> Iterator[Task]:
    for task in tasks(experiment, count, setup.jobs):
        if fnmatch.fnmatchcase(task.cell, cells) and not _file(setup, task).exists():
            if setup.deadline - time.monotonic() < FASTEST_S:
                raise OutOfTime
            yield task


def _file(setup: Setup, task: Task) -> Path:
    return setup.out / "results" / f"{task.key}.json"


def _do(setup: Setup, task: Task) -> None:
    begin = time.monotonic()
    results = (
        _runs(setup, task)
        if task.experiment == "unpaired"
        else {"comparison": _compare(setup, task)}
    )
    head: dict[str, Any] = {
        "experiment": task.experiment,
        "cell": task.cell,
        "index": task.index,
        "truth": task.truth,
        "orch_hash": setup.orch_hash,
        "seconds": time.monotonic() - begin,
    }
    _write(_file(setup, task), json.dumps(head | results, separators=(",", ":")))
    print(f"{task.key}  {head['seconds']:.1f} s", flush=True)


def _compare(setup: Setup, task: Task) -> dict[str, Any]:
    scenario = _scenario(setup, task)
    command = [
        "compare",
        str(setup.library),
        str(setup.library),
        "--scenario",
        str(scenario),
        "--plugin",
        "planted",
    ]
    command += ["--control", "--pairs", str(task.pairs)]
    command += ["--filter", task.workload] if task.workload else []
    for name, (a, b) in task.sets.items():
        command += ["--set", f"{name}={a},{b}"]
    return _orch(setup, command)


def _runs(setup: Setup, task: Task) -> dict[str, Any]:
    """Runs all of A, all of A again and all of B, one after the other, each in one process."""
    scenario = _scenario(setup, task)
    jobs = {"a": f"{task.workload}", "again": f"{task.workload}", "b": f"{task.workload}-slower"}
    return {
        side: _orch(setup, ["run", str(scenario), "--filter", job]) for side, job in jobs.items()
    }


def _orch(setup: Setup, command: list[str]) -> dict[str, Any]:
    """Runs orch and returns its JSON.

    The exit code of orch stands for the verdict, so only missing JSON is a failure.
    """
    results = setup.out / "work" / "orch-results"
    for attempt in range(1, TRIES + 1):
        process = subprocess.Popen(
            [str(setup.orch), *command, "--json", "--results", str(results)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            out, err = process.communicate(timeout=max(0.1, setup.deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise OutOfTime from None
        finally:
            _end(process)
            shutil.rmtree(results, ignore_errors=True)
        try:
            answer: dict[str, Any] = json.loads(out)
        except json.JSONDecodeError:
            if attempt == TRIES:
                raise SystemExit(
                    f"orch {' '.join(command)}\nended with {process.returncode}:\n{err[-2000:]}"
                ) from None
            continue
        if answer.get("interrupted"):
            raise KeyboardInterrupt
        return answer
    raise AssertionError("the last attempt returns or raises")


def _end(process: subprocess.Popen[str]) -> None:
    """Ends orch, if it still runs, by SIGINT, as a user would. orch then ends its workers."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def _scenario(setup: Setup, task: Task) -> Path:
    """Writes the scenario of a task, and returns its path.

    Equal scenarios have equal names, so that only the sides of a comparison differ.
    """
    # A rule for unpaired samples gets only one process.
    budget = "time: 40ms, rounds: 1" if task.experiment == "unpaired" else "time: 300ms, rounds: 3"
    plugins = [f"  planted: {{ path: {json.dumps(str(setup.library))} }}"]
    jobs = [f"  - {{ id: {workload}, workload: planted/{workload} }}" for workload in WORKLOADS]
    if task.experiment == "unpaired":
        for workload in WORKLOADS:
            more = WORK[workload] * 101 // 100
            jobs.append(
                f"  - {{ id: {workload}-slower, workload: planted/{workload}, "
                f"params: {{ work: {more} }} }}"
            )
    if task.experiment == "exact-aa":
        jobs = [job for job in jobs if "memory" not in job]
        if setup.kernels is not None:
            plugins.append(f"  kernels: {{ path: {json.dumps(str(setup.kernels))} }}")
            params = "params: { m: 128, k: 128, n: 128 }"
            jobs.append(
                f"  - {{ id: two-threads, workload: kernels/matmul, {params}, threads: 2 }}"
            )
    defaults = f"defaults: {{ {budget}, tolerance: {task.tolerance_percent:g}% }}"
    text = "\n".join(["name: experiment", "plugins:", *plugins, defaults, "workloads:", *jobs, ""])
    path = setup.out / "work" / f"{hashlib.sha256(text.encode()).hexdigest()[:12]}.yaml"
    if not path.exists():
        _write(path, text)
    return path


def _write(path: Path, text: str) -> None:
    """Writes a draft and renames it, so that the file is either complete or absent."""
    draft = path.with_suffix(".draft")
    draft.write_text(text)
    draft.replace(path)


def _copy(source: Path, target: Path) -> None:
    draft = target.with_suffix(".draft")
    shutil.copyfile(source, draft)
    os.chmod(draft, 0o755)
    draft.replace(target)


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
