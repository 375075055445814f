"""Reads the stored results, and extracts the values that the tables need."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from rules import Values, log_e

EXACT_METRICS = ("allocations", "bytes", "peak_bytes")
CHANGES = ("regressed", "improved")


@dataclass(frozen=True)
class Judged:
    """The time of the only workload of a comparison."""

    raw: dict[str, Any]

    @cached_property
    def entry(self) -> dict[str, Any]:
        """The entry of orch for the time."""
        entries: list[dict[str, Any]] = self.raw["comparison"]["jobs"]
        return next(entry for entry in entries if entry["metric"] == "time")

    @property
    def truth(self) -> float:
        return float(self.raw["truth"])

    @property
    def verdict(self) -> str:
        return str(self.entry["verdict"])

    @property
    def sign(self) -> int:
        """The direction that the verdict names."""
        return {"regressed": 1, "improved": -1}.get(self.verdict, 0)

    @property
    def pairs(self) -> int:
        return int(self.entry["pairs"])

    @property
    def seconds(self) -> float:
        return float(self.raw["seconds"])

    @cached_property
    def differences(self) -> Values:
        pairs = self.raw["comparison"]["workloads"][0]["pairs"]
        return np.array([pair["difference"] for pair in pairs])

    @cached_property
    def evidence(self) -> Values:
        """ln E after every pair, computed again."""
        return log_e(self.differences)

    @property
    def evidence_error(self) -> float:
        """The distance of the last evidence from the value that orch reports."""
        said = self.entry["e_value"]
        return abs(math.log(said) - self.evidence[-1]) if said and len(self.evidence) else 0.0

    @property
    def interval(self) -> tuple[float, float] | None:
        """The confidence sequence as log ratios, or None while it has no ends."""
        change = self.entry["change"]
        if change is None or change["low"] is None or change["high"] is None:
            return None
        return math.log1p(change["low"]), math.log1p(change["high"])

    @property
    def covered(self) -> bool | None:
        """Whether the interval contains the planted value, or None while it has no ends."""
        return None if self.interval is None else self.interval[0] <= self.truth <= self.interval[1]

    @property
    def error(self) -> float:
        """The distance by which the estimate is nearer to 0 than the truth (negative: farther)."""
        estimate = math.log1p(self.entry["change"]["estimate"]) if self.entry["change"] else 0.0
        return (self.truth - estimate) * (1 if self.truth >= 0 else -1)

    def turns(self) -> Iterator[tuple[Values, Values]]:
        """Yields the turns of each pair of processes, as they were timed."""
        for pair in self.raw["comparison"]["workloads"][0]["pairs"]:
            yield np.array(pair["a_ns"], float), np.array(pair["b_ns"], float)


@dataclass(frozen=True)
class Unpaired:
    """The samples of three processes that ran one after the other (ns per iteration)."""

    a: Values
    again: Values
    b: Values


@dataclass(frozen=True)
class Stored:
    """All results of an experiment."""

    judged: dict[str, list[Judged]]  # by cell
    unpaired: dict[str, list[Unpaired]]
    comparisons: list[dict[str, Any]]
    machines: list[dict[str, Any]]
    orchs: set[str]


def read(out: Path, experiment: str) -> Stored:
    stored = Stored({}, {}, [], [], set())
    for path in sorted((out / "results").glob(f"{experiment}.*.json")):
        raw = json.loads(path.read_text())
        stored.orchs.add(raw["orch_hash"])
        if experiment == "unpaired":
            sides = {side: raw[side] for side in ("a", "again", "b")}
            stored.machines.append(raw["a"]["machine"])
            stored.unpaired.setdefault(raw["cell"], []).append(
                Unpaired(**{k: _samples(v) for k, v in sides.items()})
            )
            continue
        stored.machines.append(raw["comparison"]["machine"])
        if experiment in ("aa", "power"):
            stored.judged.setdefault(raw["cell"], []).append(Judged(raw))
        else:
            stored.comparisons.append(raw["comparison"])
    return stored


def _samples(record: dict[str, Any]) -> Values:
    process = record["jobs"][0]["time"]["processes"][0]
    samples: Values = np.array(process["samples_ns"], float) / process["iterations"]
    return samples
