"""Lists the comparisons of each experiment, their order, and their right answers."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field

NAMES = ("aa", "power", "exact", "exact-aa", "unpaired")
WORKLOADS = ("cpu", "matmul", "memory", "allocate")
CONDITIONS = ("quiet", "load")

# Units of work per iteration of the planted workloads, if no parameter is set.
WORK = {"cpu": 1000, "matmul": 100, "memory": 100, "allocate": 1000}

MOST_PAIRS = 64
EXACT_AA_COMPARISONS = 1000  # comparisons of workloads, over all jobs


@dataclass(frozen=True)
class Task:
    """One comparison, or three runs for `unpaired`."""

    experiment: str
    cell: str
    index: int
    workload: str | None  # None for all jobs of the scenario
    load: bool = False
    tolerance_percent: float = 1.0
    pairs: int = MOST_PAIRS
    sets: dict[str, tuple[int, int]] = field(default_factory=dict)
    truth: float = 0.0  # planted ln(time of B / time of A)

    @property
    def key(self) -> str:
        return f"{self.experiment}.{self.cell}.{self.index:04}"


def tasks(experiment: str, count: int | None, jobs: int) -> Iterator[Task]:
    """Yields all tasks of an experiment.

    The cells take turns, so that an early stop leaves them equally full. `count` replaces the
    number of tasks per cell. `jobs` is the number of jobs in the scenario of `exact-aa`.
    """
    cells = _cells(experiment, jobs)
    wanted = {cell: count if count is not None else default for cell, default in cells.items()}
    for index in range(max(wanted.values())):
        for cell in cells:
            if index < wanted[cell]:
                yield _task(experiment, cell, index)


def _cells(experiment: str, jobs: int) -> dict[str, int]:
    """Returns the cells with their default counts."""
    conditions = [f"{workload}-{condition}" for condition in CONDITIONS for workload in WORKLOADS]
    if experiment == "aa":
        return dict.fromkeys(conditions, 52)
    if experiment == "unpaired":
        return dict.fromkeys(conditions, 60)
    if experiment == "exact":
        return {"one-more": 100}
    if experiment == "exact-aa":
        return {"load": math.ceil(EXACT_AA_COMPARISONS / jobs)}
    if experiment == "power":
        others = {
            f"{workload}-{percent}": 20
            for workload in WORKLOADS
            if workload != "matmul"
            for percent in (2, 5)
        }
        return {"matmul-1": 200, "matmul-2": 200, "matmul-5": 50} | others
    raise ValueError(f"unknown experiment {experiment}")


def _task(experiment: str, cell: str, index: int) -> Task:
    if experiment == "exact":
        workload = ("cpu", "allocate", "matmul")[index % 3]
        return Task(experiment, cell, index, workload, pairs=1, sets={"extra_allocations": (0, 1)})
    if experiment == "exact-aa":
        return Task(experiment, cell, index, None, load=True, pairs=1)
    workload, variant = cell.split("-")
    if experiment == "power":
        return _planted(experiment, cell, index, workload, int(variant))
    return Task(experiment, cell, index, workload, load=variant == "load")


def _planted(experiment: str, cell: str, index: int, workload: str, percent: int) -> Task:
    """Returns a task with one slower side. A coin chooses it: the rules must find both signs."""
    base = WORK[workload]
    more = base * (100 + percent) // 100
    # With text as its seed, the coin is the same in every run of the script.
    a, b = (base, more) if random.Random(f"{cell} {index}").random() < 0.5 else (more, base)
    tolerance = 0.5 if percent == 1 else 1.0
    return Task(
        experiment,
        cell,
        index,
        workload,
        tolerance_percent=tolerance,
        sets={"work": (a, b)},
        truth=math.log(b / a),
    )
