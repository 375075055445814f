#!/usr/bin/env python3
"""Measures the benches for criterion of published packages, unchanged.

    scripts/experiments/criterion.py --orch target/release/orch [--only semver,hex]

The script needs the package registry. For each package, it copies the published source, runs
`orch init` and `orch run`, and prints how many bench files and benchmarks were measured.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

PACKAGES = {
    "semver": "1.0.28",
    "hex": "0.4.3",
    "httparse": "1.10.1",
    "base64": "0.22.1",
    "half": "2.6.0",
    "tinyvec": "1.10.0",
    "itertools": "0.14.0",
    "ahash": "0.8.12",
}
# Short samples: the table is about what runs, not about how fast it is.
SETTINGS = "defaults: { time: 20ms, rounds: 2 }"


@dataclass
class Outcome:
    package: str
    files: int
    built: int
    jobs: int
    measured: int
    exact: int
    build_seconds: float
    run_seconds: float
    reasons: list[str]


def copy_source(package: str, version: str, work: Path) -> Path:
    """Copies the published source of a package, as cargo downloads it."""
    dummy = work / f"{package}-download"
    run(["cargo", "init", "--quiet", "--lib", "--name", "download", str(dummy)], work)
    run(["cargo", "add", "--quiet", f"{package}@={version}"], dummy)
    run(["cargo", "fetch", "--quiet"], dummy)
    home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    sources = list(home.glob(f"registry/src/*/{package}-{version}"))
    if len(sources) != 1:
        sys.exit(f"{package} {version}: {len(sources)} sources in {home}")
    target = work / package
    shutil.copytree(sources[0], target)
    return target


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs a command that has to succeed."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {done.stderr}")
    return done


def count_bench_files(folder: Path) -> int:
    """Counts the bench targets of the packages in a folder that depend on criterion."""
    shown = run(["cargo", "metadata", "--no-deps", "--format-version=1"], folder).stdout
    count = 0
    for package in json.loads(shown)["packages"]:
        if any(dependency["name"] == "criterion" for dependency in package["dependencies"]):
            count += sum("bench" in target["kind"] for target in package["targets"])
    return count


def measure(orch: Path, package: str, version: str, work: Path) -> Outcome:
    """Prepares and measures one package."""
    folder = copy_source(package, version, work)
    outcome = Outcome(package, count_bench_files(folder), 0, 0, 0, 0, 0.0, 0.0, [])
    begun = time.monotonic()
    init = subprocess.run([orch, "init"], cwd=folder, capture_output=True, text=True)
    outcome.build_seconds = time.monotonic() - begun
    if init.returncode != 0:
        outcome.reasons = [line for line in init.stderr.splitlines() if line.startswith("error")]
        return outcome
    outcome.reasons = re.findall(r"^  (benches/.*)$", init.stdout, re.MULTILINE)
    scenario = folder / "bench.yaml"
    text = scenario.read_text()
    outcome.built = text.count("{ criterion: ")
    scenario.write_text(re.sub(r"^defaults: .*$", SETTINGS, text, flags=re.MULTILINE))
    begun = time.monotonic()
    command = [orch, "run", "bench.yaml", "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    outcome.run_seconds = time.monotonic() - begun
    record = json.loads(done.stdout)
    outcome.jobs = len(record["jobs"])
    for job in record["jobs"]:
        if job["outcome"] == "measured":
            outcome.measured += 1
            outcome.exact += bool(job["allocations"]["exact"])
        else:
            outcome.reasons.append(f"{job['id']}: {job['message']}")
    return outcome


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--orch", required=True, type=lambda text: Path(text).resolve())
    parser.add_argument("--only", default="", help="packages, separated by commas")
    arguments = parser.parse_args()
    chosen = arguments.only.split(",") if arguments.only else list(PACKAGES)
    print(
        "| package | bench files | built | benchmarks | measured | exact allocations "
        "| build (s) | run (s) |\n|---|---:|---:|---:|---:|---:|---:|---:|"
    )
    with tempfile.TemporaryDirectory() as work:
        for package in chosen:
            found = measure(arguments.orch, package, PACKAGES[package], Path(work))
            print(
                f"| {package} {PACKAGES[package]} | {found.files} | {found.built} | {found.jobs} "
                f"| {found.measured} | {found.exact} | {found.build_seconds:.0f} "
                f"| {found.run_seconds:.0f} |",
                flush=True,
            )
            for reason in found.reasons:
                print(f"{package}: {reason}", file=sys.stderr, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
