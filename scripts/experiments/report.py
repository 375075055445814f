"""Turns the stored results into the Markdown tables of docs/METHODOLOGY.md."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

import stored
from cells import CONDITIONS, WORKLOADS
from rules import Values, criterion, hyperfine, spread, tango, upper_bound
from stored import CHANGES, EXACT_METRICS, Judged, Stored

LOG_100 = math.log(100)
SOON = 16  # pairs

Rule = Callable[[Values, Values], int]


def report(out: Path, experiments: list[str]) -> str:
    found = {name: stored.read(out, name) for name in experiments}
    parts = [_machine(found.values())]
    for name, write in (("aa", _aa), ("power", _power), ("exact", _exact), ("exact-aa", _exact_aa)):
        if name in found and found[name].machines:
            parts.append(write(found[name]))
    if {"aa", "power", "unpaired"} <= found.keys():
        parts.append(_peers(found["aa"], found["power"], found["unpaired"]))
    return "\n\n".join(parts)


def _machine(found: Iterable[Stored]) -> str:
    found = list(found)
    machines = {
        f"{machine['cpu']['model']}, {machine['cpu']['usable']} cores, {machine['kernel']}, "
        f"{machine['hypervisor'] or 'no hypervisor'}"
        for stored_ in found
        for machine in stored_.machines
    }
    orchs = sorted(set().union(*(stored_.orchs for stored_ in found)))
    lines = [
        f"Machine: {'; '.join(sorted(machines)) or 'nothing was measured yet'}. "
        f"orch: {', '.join(orchs)}."
    ]
    if len(machines) > 1 or len(orchs) > 1:
        lines.append("**These results come from several machines or versions of orch.**")
    return "\n".join(lines)


def _aa(found: Stored) -> str:
    head = "cell|comparisons|false|95 % bound|equivalent|inconclusive|E >= 100 at any look"
    head += "|pairs: median, most|seconds|spread"
    rows = [_aa_row(cell, found.judged[cell]) for cell in _in_order(found.judged)]
    every = [judged for cell in found.judged.values() for judged in cell]
    rows.append(_aa_row("**all**", every))
    error = max((judged.evidence_error for judged in every), default=0.0)
    text = [
        "### One build against itself",
        _table(head, rows),
        "The bound is the one-sided bound of Clopper and Pearson. `E >= 100 at any look` judges "
        "the same pairs again at margin 0, with a look after every pair. Seconds are the median "
        "over comparisons. The spread of a comparison is 1.4826 times the median absolute "
        "deviation of its pair differences, and the column shows the median over comparisons. The "
        "seconds of a comparison that had to wait for another orch include the waiting.",
        "The evidence computed by this script differs from that of orch by at most "
        f"{error:.1e} (ln E).",
        _coverage(every),
    ]
    return "\n\n".join(text)


def _aa_row(cell: str, all_: Sequence[Judged]) -> list[str]:
    false = sum(judged.verdict in CHANGES for judged in all_)
    reached = sum(
        bool(len(judged.evidence)) and judged.evidence.max() >= LOG_100 for judged in all_
    )
    pairs = [judged.pairs for judged in all_]
    spreads = [spread(judged.differences) for judged in all_ if len(judged.differences)]
    return [
        cell,
        str(len(all_)),
        str(false),
        f"{100 * upper_bound(false, len(all_)):.1f} %",
        _share(sum(judged.verdict == "equivalent" for judged in all_), len(all_)),
        _share(sum(judged.verdict == "inconclusive" for judged in all_), len(all_)),
        _of(int(reached), len(all_)),
        f"{np.median(pairs):.0f}, {max(pairs)}",
        f"{np.median([judged.seconds for judged in all_]):.1f}",
        f"{100 * np.median(spreads):.3f} %" if spreads else "-",
    ]


def _power(found: Stored) -> str:
    head = "planted|tolerance|comparisons|found|wrong direction|equivalent|inconclusive|pairs"
    head += "|found within 16|interval holds it|nearer to 0 by|seconds"
    rows = []
    for cell in _in_order(found.judged):
        all_ = found.judged[cell]
        hits = [judged for judged in all_ if judged.sign == np.sign(judged.truth)]
        workload, percent = cell.split("-")
        rows.append(
            [
                f"{workload}, {percent} %",
                f"{100 * all_[0].entry['margin']:g} %",
                str(len(all_)),
                _share(len(hits), len(all_)),
                str(sum(judged.sign == -np.sign(judged.truth) for judged in all_)),
                str(sum(judged.verdict == "equivalent" for judged in all_)),
                str(sum(judged.verdict == "inconclusive" for judged in all_)),
                f"{np.median([judged.pairs for judged in hits]):.0f}" if hits else "-",
                _share(sum(judged.pairs <= SOON for judged in hits), len(all_)),
                _hits([judged.covered for judged in all_ if judged.covered is not None]),
                f"{100 * np.median([judged.error for judged in all_]):.4f} %",
                f"{np.median([judged.seconds for judged in all_]):.1f}",
            ]
        )
    every = [judged for cell in found.judged.values() for judged in cell]
    note = (
        "The slower side is random. A difference is found if the verdict has the right direction. "
        "Pairs are the median over the found differences. `nearer to 0 by` is the median distance "
        "by which the estimates fall short of the planted difference."
    )
    return "\n\n".join(["### A planted difference", _table(head, rows), note, _coverage(every)])


def _coverage(all_: Sequence[Judged]) -> str:
    known = [judged.covered for judged in all_ if judged.covered is not None]
    text = (
        f"The interval contained the planted value in {_hits(known)}. "
        f"{len(all_) - len(known)} more intervals had no ends yet, and exclude nothing."
    )
    if any(judged.truth for judged in all_):
        text += (
            " The value is ln(work of B / work of A). An iteration also has a cost that does not "
            "grow with its work. The true value is therefore a little nearer to 0, and a narrow "
            "interval may correctly exclude the planted value."
        )
    return text


def _exact(found: Stored) -> str:
    verdicts = Counter(_entry(comparison, "allocations") for comparison in found.comparisons)
    right, total = verdicts["regressed"], len(found.comparisons)
    text = f"Regressed in `allocations`: {_of(right, total)}. All verdicts: {_counts(verdicts)}."
    return f"### One more allocation\n\n{text}"


def _exact_aa(found: Stored) -> str:
    jobs: dict[str, Counter[str]] = {}
    workloads = 0
    for comparison in found.comparisons:
        workloads += len(comparison["workloads"])
        threads = {workload["id"]: workload["threads"] for workload in comparison["workloads"]}
        for entry in comparison["jobs"]:
            if entry["metric"] in EXACT_METRICS:
                name = f"{entry['id']}, {threads[entry['id']]} thread(s)"
                jobs.setdefault(name, Counter())[entry["verdict"]] += 1
    false = sum(
        count
        for verdicts in jobs.values()
        for name, count in verdicts.items()
        if not _harmless(name)
    )
    rows = [[job, str(sum(verdicts.values())), _counts(verdicts)] for job, verdicts in jobs.items()]
    total = sum(sum(verdicts.values()) for verdicts in jobs.values())
    text = (
        f"{workloads} comparisons of workloads, {total} verdicts on "
        f"{', '.join(f'`{m}`' for m in EXACT_METRICS)}: "
        f"{false} other than equivalent or inconclusive "
        f"(95 % bound per verdict: {100 * upper_bound(false, total):.2f} %)."
    )
    return "\n\n".join(
        [
            "### Counts of one build against itself, under load",
            text,
            _table("job|verdicts|which", rows),
        ]
    )


def _harmless(verdict: str) -> bool:
    return verdict in ("equivalent", "inconclusive")


def _entry(comparison: dict[str, list[dict[str, str]]], metric: str) -> str:
    return next(
        (entry["verdict"] for entry in comparison["jobs"] if entry["metric"] == metric), "none"
    )


def _peers(aa: Stored, power: Stored, unpaired: Stored) -> str:
    """Returns the false alarms per workload and condition, and the detections of +1 %, by rule."""
    cells = [f"{workload}-{condition}" for condition in CONDITIONS for workload in WORKLOADS]
    planted = power.judged.get("matmul-1", [])
    rows = [_own_row("orch, margin as set", aa, cells, planted, lambda judged: judged.sign)]
    rows.append(
        _own_row(
            "orch's pairs, margin 0, E >= 100 at any look", aa, cells, planted, _without_margin
        )
    )
    rows.append(_tango_row(aa, cells, planted))
    random = np.random.default_rng(1)
    for name, rule in _unpaired_rules(random).items():
        rows.append(_unpaired_row(name, rule, unpaired, cells))
    head = "|".join(
        [
            "rule",
            *(cell.replace("-", ", ") for cell in cells),
            "+1 % matmul, quiet",
            "+1 % matmul, load",
        ]
    )
    return "\n\n".join(
        ["### The rules of other tools on the same workloads", _table(head, rows), PEERS_NOTE]
    )


PEERS_NOTE = """\
The columns of a workload count identical code that was called changed. The last two columns count
+1 % that was found with the right direction. orch has a tolerance of 1 % on identical code and of
0.5 % on the planted change.

- **tango**: |z| >= 2.6 and a mean difference above 0.5 % of the baseline, without removal of
  outliers (tango's defaults), on the turns of one pair of fresh processes. Every pair counts as one
  comparison. This is more favourable to the rule than tango's own method, two copies in one
  process. tango's default sampling time of 100 ms is about the time of the longer pairs.
- **criterion**: bootstrap of Welch's t, p < 0.05, and the 95 % interval of the change of the mean
  beyond the noise threshold. The threshold is 1 % by default, so that a change of 1 % can hardly
  ever be found. Another row has threshold 0. Each side has 100 means of consecutive samples.
  criterion's own measuring time of 5 s per side is much longer than the 40 ms here.
- **hyperfine** itself prints the mean and the standard deviation, and judges nothing. The row is
  the Welch test from hyperfine's scripts, p < 0.05, on ten values per side: the means of tenths of
  the samples.
- Unpaired rules get all of A, then all of A again, or all of B. Each is one process, and the
  processes run one after the other."""


def _unpaired_rules(random: np.random.Generator) -> dict[str, Rule]:
    return {
        "criterion, threshold 1 %": lambda a, b: criterion(a, b, random),
        "criterion, threshold 0": lambda a, b: criterion(a, b, random, noise=0),
        "hyperfine's Welch test": hyperfine,
    }


def _without_margin(judged: Judged) -> int:
    """Returns the sign at the first look with enough evidence, or 0 if there is none."""
    looks = np.flatnonzero(judged.evidence >= LOG_100)
    return int(np.sign(np.median(judged.differences[: looks[0] + 1]))) if len(looks) else 0


def _own_row(
    name: str, aa: Stored, cells: list[str], planted: list[Judged], sign: Callable[[Judged], int]
) -> list[str]:
    false = [[sign(judged) != 0 for judged in aa.judged.get(cell, [])] for cell in cells]
    found = [sign(judged) == np.sign(judged.truth) for judged in planted]
    return [name, *map(_hits, false), _hits(found), "-"]


def _tango_row(aa: Stored, cells: list[str], planted: list[Judged]) -> list[str]:
    false = [
        [tango(a, b) != 0 for judged in aa.judged.get(cell, []) for a, b in judged.turns()]
        for cell in cells
    ]
    found = [tango(a, b) == np.sign(judged.truth) for judged in planted for a, b in judged.turns()]
    return ["tango's rule, one pair of processes", *map(_hits, false), _hits(found), "-"]


def _unpaired_row(name: str, rule: Rule, unpaired: Stored, cells: list[str]) -> list[str]:
    false = [
        [rule(series.a, series.again) != 0 for series in unpaired.unpaired.get(cell, [])]
        for cell in cells
    ]
    matmul = [unpaired.unpaired.get(f"matmul-{condition}", []) for condition in CONDITIONS]
    found = [[rule(series.a, series.b) == 1 for series in cell] for cell in matmul]
    return [name, *map(_hits, false), *map(_hits, found)]


def _hits(hits: Sequence[bool]) -> str:
    return _of(sum(map(bool, hits)), len(hits))


def _of(count: int, total: int) -> str:
    return f"{count} of {total} ({100 * count / total:.1f} %)" if total else "-"


def _share(count: int, total: int) -> str:
    return f"{100 * count / total:.0f} %" if total else "-"


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counter.most_common())


def _in_order(cells: Iterable[str]) -> list[str]:
    """Sorts cells: quiet before load, workloads as in the scenario, small differences first."""
    return sorted(
        cells, key=lambda cell: (cell.endswith("load"), WORKLOADS.index(cell.split("-")[0]), cell)
    )


def _table(head: str, rows: Sequence[Sequence[str]]) -> str:
    columns = head.split("|")
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
