#!/usr/bin/env python3
"""Bisects published packages, to find the release that changed a workload.

    scripts/experiments/published.py --orch target/release/orch [--only semver,heck]

The script needs the package registry. For each case, it makes a plugin with `orch plugin new`,
makes a commit for each version, one after the other, runs `orch bisect`, and compares the answer
with the expected release.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

WORKLOAD = """use orch_sdk::prelude::*;

#[derive(Params)]
struct NoParams {}

struct Work(Input);

%s

impl Workload for Work {
    const ID: &'static str = "work";
    type Params = NoParams;

    fn create(_: NoParams) -> Result<Self> {
        Ok(Self(input()))
    }

    fn run(&mut self) -> Result<()> {
        scope!("work");
        let input = std::hint::black_box(&self.0);
        std::hint::black_box(%s);
        Ok(())
    }
}

export_plugin!(Work);
"""

SCENARIO = """plugins:
  bench: { crate: . }
defaults: { tolerance: 5% }
workloads:
  - { id: work, workload: bench/work }
"""


@dataclass
class Case:
    package: str
    versions: list[str]
    """The versions from the oldest to the newest. The first is the good end."""
    input: str
    call: str
    metric: str
    expected: str
    """The expected release, or none. For heck, base64 and hashbrown, the first run's result."""
    better: bool = False
    more: list[str] = field(default_factory=list)
    """More arguments of `cargo add`."""


CASES = [
    Case(
        "semver",
        ["0.9.0", "0.10.0", "0.11.0", "1.0.0", "1.0.14"],
        'type Input = &\'static str;\nfn input() -> Input { "1.2.3-alpha.beta.10+build.7" }',
        "semver::Version::parse(input)?",
        "allocations",
        "1.0.0",
        better=True,
    ),
    Case(
        "heck",
        ["0.3.1", "0.3.3", "0.4.0", "0.4.1", "0.5.0"],
        "use heck::*;\ntype Input = &'static str;\n"
        'fn input() -> Input { "AnIdentifierOfManyWordsForTheCase" }',
        "input.to_string().to_snake_case()",
        "allocations",
        "none",
        better=True,
    ),
    Case(
        "memchr",
        ["2.4.1", "2.5.0", "2.6.0", "2.6.4", "2.7.4"],
        "type Input = Vec<u8>;\n"
        "fn input() -> Input { (0..100_000u32).map(|n| (n * 7919 % 251) as u8).collect() }",
        "memchr::memchr_iter(7, input).count()",
        "time",
        "2.6.0",
        better=True,
    ),
    Case(
        "base64",
        ["0.12.3", "0.13.1", "0.20.0", "0.21.7", "0.22.1"],
        "type Input = Vec<u8>;\nfn input() -> Input { vec![7; 3000] }",
        "base64::encode(input)",
        "bytes",
        "none",
    ),
    Case(
        "hashbrown",
        ["0.12.3", "0.13.2", "0.14.5", "0.15.0", "0.15.5"],
        "type Input = Vec<u64>;\n"
        "fn input() -> Input { (0..10_000).map(|n| n * 0x9E37_79B9_7F4A_7C15).collect() }",
        "input.iter().map(|key| (*key, 1)).collect::<hashbrown::HashMap<u64, u32>>().len()",
        "time",
        "none",
    ),
]


CPP_SCENARIO = """plugins:
  bench:
    dir: .
    build: >-
      c++ -std=c++20 -O2 $ORCH_CFLAGS -shared -fPIC -fvisibility=hidden -Ivendor -I"$ORCH_SOURCE"
      plugin.cpp "$ORCH_SOURCE/ada.cpp" -o "$ORCH_OUT"
defaults: { tolerance: 5% }
workloads:
  - { id: work, workload: bench/moving_average, params: { n: 200 } }
"""

CPP_WORKLOAD = """#pragma once

#include <ada.h>
#include <vector>

// The starter's workload, with the parser of URLs as what is measured.
inline std::vector<double> moving_average(const std::vector<double> &input, std::size_t) {
  static const char *const urls[] = {
      "https://user:pass@example.org:8080/a/b/../c?x=1&y=2#part",
      "http://b\\u00fccher.example/%7Epath/?q=a%20b",
      "https://www.example.com/products/list?page=17&sort=price",
  };
  std::size_t length = 0;
  for (std::size_t i = 0; i < input.size(); i++) {
    auto url = ada::parse<ada::url_aggregator>(urls[i % 3]);
    length += url ? url->get_href().size() : 0;
  }
  return {static_cast<double>(length)};
}
"""


@dataclass
class CppCase:
    """A C++ library with its sources in a package. Its repository has a commit for each version."""

    package: str
    versions: list[str]
    files: list[str]
    """Names of files in the package's folder."""
    metric: str
    expected: str
    better: bool = False


CPP_CASES = [
    CppCase(
        "ada-url",
        [
            "1.0.0",
            "1.1.0",
            "1.2.0",
            "1.3.0",
            "1.4.0",
            "2.0.0",
            "2.1.0",
            "2.1.1",
            "2.3.0",
            "3.0.0",
            "3.1.0",
        ],
        ["deps/ada.cpp", "deps/ada.h"],
        "time",
        "unknown",
        better=True,
    ),
]


class Project:
    """A folder with a plugin, and its own cache beside it."""

    def __init__(self, orch: Path, folder: Path, cache: Path) -> None:
        self.orch, self.folder = orch, folder
        self.environment = os.environ | {
            "XDG_CACHE_HOME": str(cache),
            "GIT_CONFIG_COUNT": "2",
            "GIT_CONFIG_KEY_0": "user.name",
            "GIT_CONFIG_VALUE_0": "Test",
            "GIT_CONFIG_KEY_1": "user.email",
            "GIT_CONFIG_VALUE_1": "test@example.org",
        }

    def run(
        self, *command: str, cwd: Path | None = None, may_fail: bool = False
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            command, cwd=cwd or self.folder, env=self.environment, text=True, capture_output=True
        )
        if done.returncode and not may_fail:
            raise SystemExit(f"{' '.join(command)}: {done.stderr}")
        return done

    def commit(self, subject: str) -> None:
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message", subject)
        self.run("git", "tag", "--force", f"v{subject.split()[-1]}")


def unpacked(project: Project, package: str, version: str) -> Path:
    """Fetches a package, and returns the folder in which cargo keeps its files."""
    dummy = project.folder.parent / "dummy"
    if not dummy.exists():
        project.run("cargo", "init", "--quiet", "--lib", str(dummy))
    project.run("cargo", "add", "--quiet", f"{package}@={version}", cwd=dummy)
    project.run("cargo", "fetch", "--quiet", cwd=dummy)
    home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    return next(home.glob(f"registry/src/*/{package}-{version}"))


def bisect_cpp_versions(case: CppCase, orch: Path, work: Path) -> None:
    library = Project(orch, work / case.package, work / "cache")
    library.folder.mkdir()
    library.run("git", "init", "--quiet")
    for version in case.versions:
        source = unpacked(library, case.package, version)
        for name in case.files:
            (library.folder / Path(name).name).write_bytes((source / name).read_bytes())
        library.commit(f"{case.package} {version}")
    bench = Project(orch, work / f"{case.package}-bench", work / "cache")
    bench.run(
        str(orch), "plugin", "new", "bench", "--lang", "cpp", "--dir", str(bench.folder), cwd=work
    )
    (bench.folder / "average.hpp").write_text(CPP_WORKLOAD)
    (bench.folder / "bench.yaml").write_text(CPP_SCENARIO)
    bisect(case, bench, ["--repo", str(library.folder)])


def named(report: dict) -> str:
    """Returns the commits that a report names, or its outcome if it names none."""
    culprits = [
        " or ".join(about["subject"].split()[-1] for about in one["about"])
        for one in report["culprits"]
    ]
    return ", ".join(culprits) or report["outcome"]


def bisect_versions(case: Case, orch: Path, work: Path) -> None:
    project = Project(orch, work / case.package, work / "cache")
    project.run(
        str(orch), "plugin", "new", case.package + "-bench", "--dir", str(project.folder), cwd=work
    )
    (project.folder / "src/average.rs").unlink()
    (project.folder / "src/lib.rs").write_text(WORKLOAD % (case.input, case.call))
    (project.folder / "bench.yaml").write_text(SCENARIO)
    project.run("git", "init", "--quiet")
    for version in case.versions:
        project.run("cargo", "add", "--quiet", f"{case.package}@={version}", *case.more)
        project.run("cargo", "fetch", "--quiet")
        project.commit(f"{case.package} {version}")
    bisect(case, project, [])


def bisect(case: Case | CppCase, project: Project, more: list[str]) -> None:
    command = [
        str(project.orch),
        "bisect",
        "bench.yaml",
        "--workload",
        "work",
        "--metric",
        case.metric,
        "--json",
    ]
    command += more
    command += ["--good", f"v{case.versions[0]}", "--bad", f"v{case.versions[-1]}"]
    command += ["--direction", "better"] if case.better else []
    begun = time.monotonic()
    done = project.run(*command, may_fail=True)
    seconds = time.monotonic() - begun
    if not done.stdout:
        print(
            f"| {case.package} | {case.metric} | - "
            f"| exit {done.returncode}: {done.stderr.strip().splitlines()[-1]} | "
            f"| {seconds:.0f} s |",
            flush=True,
        )
        return
    report = json.loads(done.stdout)
    change = ""
    for one in report["culprits"][:1]:
        change = (
            f"{one['before']} -> {one['after']}"
            if one["before"] is not None
            else f"{one['change']['estimate']:+.1%}"
        )
    right = " (as expected)" if named(report) == case.expected else f" (expected {case.expected})"
    right = "" if case.expected == "unknown" else right
    print(
        f"| {case.package} {case.versions[0]} to {case.versions[-1]} | {case.metric} "
        f"| {named(report)}{right} | {change} "
        f"| {report['builds']} builds, {report['pairs']} pairs | {seconds:.0f} s |",
        flush=True,
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orch", type=Path, required=True, help="run this program")
    parser.add_argument(
        "--only", default="", help="bisect only these packages, separated by commas"
    )
    parser.add_argument(
        "--work", type=Path, help="make the plugins in this folder [default: a temporary one]"
    )
    options = parser.parse_args()
    wanted = [name for name in options.only.split(",") if name]
    with tempfile.TemporaryDirectory() as folder:
        work = options.work or Path(folder)
        work.mkdir(parents=True, exist_ok=True)
        print(
            "| package | metric | named | change | work | time |\n|---|---|---|---|---|---|",
            flush=True,
        )
        for case in CASES:
            if not wanted or case.package in wanted:
                bisect_versions(case, options.orch.absolute(), work.absolute())
        for case in CPP_CASES:
            if not wanted or case.package in wanted:
                bisect_cpp_versions(case, options.orch.absolute(), work.absolute())
    return 0


if __name__ == "__main__":
    sys.exit(main())
