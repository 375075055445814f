#!/usr/bin/env python3
"""Measures how times and orch's verdicts change when only the position of the code changes.

    layout.py run      builds plugins with unrelated functions in front, and compares the builds
    layout.py report   prints the existing results as a Markdown table

Each of `--builds` builds has one more function before all others. It is never called, and has
another length in each build. The script makes each build twice: with the alignment flags that orch
gives to plugin crates, and without them. It compares all builds with the build that has no such
function. It takes about 8 minutes with 2 cores. It does not repeat what exists in --out.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ALIGNED = ["-Cllvm-args=-align-all-functions=6", "-Cllvm-args=-align-loops=64"]
FLAGS = {"aligned": ALIGNED, "plain": []}
JOBS = {
    "planted": [
        "{ id: cpu, workload: plugin/cpu }",
        "{ id: matmul, workload: plugin/matmul }",
        "{ id: allocate, workload: plugin/allocate }",
    ],
    "kernels": [
        (
            "{ id: naive-matmul, workload: plugin/matmul, "
            "params: { m: 64, k: 64, n: 64, variant: reference } }"
        ),
        "{ id: softmax, workload: plugin/softmax }",
    ],
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("run", "report"))
    parser.add_argument("--orch", type=Path, default=ROOT / "target/release/orch")
    parser.add_argument("--out", type=Path, default=ROOT / "target/experiments/layout")
    parser.add_argument("--builds", type=int, default=8)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.command == "run":
        run(options)
    else:
        report(options.out)


def run(options: argparse.Namespace) -> None:
    # All builds come first, so that nothing is timed while a compiler runs.
    for flags in FLAGS:
        for crate in JOBS:
            for build in range(options.builds + 1):
                library(options.out, flags, crate, build)
    for build in range(1, options.builds + 1):
        for flags in FLAGS:
            for crate in JOBS:
                compare(options, flags, crate, build)


def library(out: Path, flags: str, crate: str, build: int) -> Path:
    """Builds the crate with an unrelated function, and returns the library.

    The length of the function depends on the build. Build 0 has no such function.
    """
    place = out / f"{crate}-{flags}-{build}.so"
    if place.exists():
        return place
    linker = padding(out, build)
    environment = dict(os.environ)
    rustflags = ["-Ctarget-cpu=native", *FLAGS[flags], f"--remap-path-prefix={ROOT}=."]
    environment["CARGO_ENCODED_RUSTFLAGS"] = "\x1f".join(rustflags)
    target = out / f"target-{flags}"
    command = [
        "cargo",
        "rustc",
        "--release",
        "--lib",
        "--locked",
        "--manifest-path",
        ROOT / "plugins" / crate / "Cargo.toml",
    ]
    subprocess.run(
        [*command, "--target-dir", target, "--", f"-Clinker={linker}"], check=True, env=environment
    )
    shutil.copy(target / "release" / f"lib{crate}.so", place)
    return place


def padding(out: Path, build: int) -> Path:
    """Writes a linker that puts the function in front, and returns it.

    The linker is called cc, because the compiler recognises the kind of a linker by its name.
    """
    folder = out / f"padding-{build}"
    folder.mkdir(exist_ok=True)
    length = 0 if build == 0 else 16 * random.Random(f"layout {build}").randrange(1, 1024)
    source = folder / "unrelated.s"
    source.write_text(
        '\t.section .text.unrelated,"axR",@progbits\n\t.globl unrelated\n\t.hidden unrelated\n'
        f"\t.type unrelated, @function\nunrelated:\n\t.fill {length}, 1, 0x90\n\tret\n"
        f"\t.size unrelated, {length + 1}\n"
        '\t.section .note.GNU-stack,"",@progbits\n'
    )
    objects = ""
    if build:
        subprocess.run(["cc", "-c", source, "-o", folder / "unrelated.o"], check=True)
        objects = f"'{folder / 'unrelated.o'}'"
    script = folder / "cc"
    script.write_text(f'#!/bin/sh\nexec cc {objects} "$@"\n')
    script.chmod(0o755)
    return script


def compare(options: argparse.Namespace, flags: str, crate: str, build: int) -> None:
    place = options.out / f"{crate}-{flags}-{build}.json"
    if place.exists():
        return
    base, other = (library(options.out, flags, crate, number) for number in (0, build))
    scenario = options.out / f"{crate}.yaml"
    jobs = "\n".join(f"  - {job}" for job in JOBS[crate])
    scenario.write_text(
        f"plugins: {{ plugin: {{ path: {base} }} }}\n"
        f"defaults: {{ tolerance: 1% }}\nworkloads:\n{jobs}\n"
    )
    command = [
        options.orch,
        "compare",
        base,
        other,
        "--scenario",
        scenario,
        "--results",
        options.out / "results",
        "--json",
    ]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if done.returncode not in (0, 1):
        raise SystemExit(f"orch compare ended with exit code {done.returncode}")
    beside = place.with_suffix(".tmp")
    beside.write_bytes(done.stdout)
    beside.rename(place)
    print(place.name, flush=True)


def report(out: Path) -> None:
    print(
        "| workload | flags | builds | verdicts | largest difference | standard deviation "
        "| same machine code |"
    )
    print("|---|---|---:|---|---:|---:|---:|")
    for crate in JOBS:
        for flags in FLAGS:
            files = sorted(out.glob(f"{crate}-{flags}-*.json"))
            comparisons = [json.loads(file.read_text()) for file in files]
            for workload in (
                [entry["id"] for entry in comparisons[0]["workloads"]] if comparisons else []
            ):
                print(row(workload, flags, comparisons))


def row(workload: str, flags: str, comparisons: list[dict]) -> str:
    times = [
        entry
        for each in comparisons
        for entry in each["jobs"]
        if entry["id"] == workload and entry["metric"] == "time"
    ]
    codes = [
        each["code"] for one in comparisons for each in one["workloads"] if each["id"] == workload
    ]
    verdicts: dict[str, int] = {}
    for entry in times:
        name = "layout, not code" if entry["reason"].startswith("layout") else entry["verdict"]
        verdicts[name] = verdicts.get(name, 0) + 1
    changes = [entry["change"]["estimate"] for entry in times if entry["change"]]
    mean = sum(changes) / len(changes)
    deviation = (sum((change - mean) ** 2 for change in changes) / max(1, len(changes) - 1)) ** 0.5
    largest = max(changes, key=abs)
    said = ", ".join(f"{count} {name}" for name, count in sorted(verdicts.items()))
    # orch compares machine code only if the times alone do not give "equivalent".
    same = codes.count("only_layout")
    return (
        f"| {workload} | {flags} | {len(times)} | {said} | {100 * largest:+.2f} % "
        f"| {100 * deviation:.2f} % | {same} |"
    )


if __name__ == "__main__":
    main()
