#!/usr/bin/env python3
"""Makes a git repository with a plugin crate and a known history, for trials of `orch bisect`.

    history.py FOLDER --commits 64 --plant time --percent 5 --at 41 --broken 0.2 --seed 7
               --sdk plugins/sdk

The kernel is a loop of 1000 rounds. The planted commit makes it 1050 rounds (`time`, 5 %), or
allocates one more block (`allocation`). The output of the kernel stays the same. Some of the other
commits do not build until the next one, and some touch only documents. Some only spell the kernel
differently. Some add functions to the same library that the kernel does not call, and some change
its machine code at no cost. The tags are `good`, `bad` and, if there is a culprit, `culprit`. The
script prints a description of the repository as JSON. It needs only Python's standard library and
git.
"""

import argparse
import json
import os
import random
import subprocess
from pathlib import Path

MANIFEST = """[package]
name = "bench"
version = "0.1.0"
edition = "2024"

[lib]
crate-type = ["cdylib"]

[dependencies]
orch-sdk = {{ path = "{sdk}" }}

[workspace]
"""

LIBRARY = """mod extra;
mod kernel;

use orch_sdk::prelude::*;

#[derive(Params)]
struct NoParams {}

struct Sum {
    data: Vec<f32>,
    last: f32,
}

impl Workload for Sum {
    const ID: &'static str = "sum";
    const ABOUT: &'static str = "A sum of products, over and over";
    const ITERATION: &'static str = "1000 sums of 64 products";
    type Params = NoParams;

    fn create(_: NoParams) -> Result<Self> {
        Ok(Self { data: (0..64).map(|i| 1.0 / (1.0 + i as f32)).collect(), last: 0.0 })
    }

    fn run(&mut self) -> Result<()> {
        scope!("sum");
        self.last = kernel::sum(&self.data);
        Ok(())
    }

    fn digest(&mut self) -> Result<Option<Digest>> {
        Ok(Some(Digest::integer(u64::from(self.last.to_bits()))))
    }
}

export_plugin!(Sum);
"""

KERNEL = """//! {remark}
use std::hint::black_box;

pub fn sum(data: &[f32]) -> f32 {{
    let mut {name} = 0.0;
    black_box({constant}u32);
{waste}    for _ in 0..{rounds} {{
        {name} = products(black_box(data));
    }}
    {name}
}}

#[inline(never)]
fn products(data: &[f32]) -> f32 {{
    data.iter().fold(0.0, |sum, x| sum + x * x)
}}
"""

WASTE = "    black_box(Vec::<u8>::with_capacity(black_box(64)));\n"

EXTRA = """
#[unsafe(no_mangle)]
pub extern "C" fn extra_{number}(mut x: u64) -> u64 {{
    for i in 0..x % {modulus} {{
        x = x.rotate_left({shift}) ^ (i * {factor});
    }}
    x
}}
"""

SCENARIO = """name: bench
plugins:
  bench: { crate: bench }
workloads:
  - { id: sum, workload: bench/sum }
"""


class Repository:
    def __init__(self, root, sdk):
        self.root = Path(root)
        self.root.mkdir(parents=True, exist_ok=True)
        self.state = {
            "rounds": 1000,
            "waste": "",
            "name": "total",
            "remark": "The kernel.",
            "constant": 0,
            "extra": "",
            "notes": "# Notes\n",
        }
        self.sdk = sdk
        self.count = 0
        self.git("init", "-q", "-b", "main")

    def git(self, *arguments):
        # Hashes include the dates, so the dates do not depend on when the repository is made.
        date = f"2026-01-01T{self.count // 60 % 24:02}:{self.count % 60:02}:00Z"
        environment = dict(
            os.environ,
            GIT_AUTHOR_DATE=date,
            GIT_COMMITTER_DATE=date,
            GIT_CONFIG_GLOBAL="/dev/null",
            GIT_CONFIG_SYSTEM="/dev/null",
        )
        identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "gc.auto=0"]
        done = subprocess.run(
            ["git", *identity, *arguments],
            cwd=self.root,
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def commit(self, subject, broken=False):
        state = self.state
        kernel = KERNEL.format(
            **{key: state[key] for key in ["rounds", "waste", "name", "remark", "constant"]}
        )
        self.write("bench/Cargo.toml", MANIFEST.format(sdk=self.sdk))
        self.write("bench/src/lib.rs", LIBRARY)
        self.write("bench/src/kernel.rs", kernel + ("\nfn half_written( {\n" if broken else ""))
        self.write("bench/src/extra.rs", "//! What the kernel does not call.\n" + state["extra"])
        self.write("docs/notes.md", state["notes"])
        self.write("scenarios/bench.yaml", SCENARIO)
        self.write(".gitignore", "target\nresults\n")
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", subject)
        self.count += 1
        return self.git("rev-parse", "HEAD")

    def change(self, kind, number, rng):
        """Changes the state but not the cost of the kernel, and returns the commit's subject."""
        state = self.state
        if kind == "docs":
            state["notes"] += f"- note {number}\n"
            return f"docs: note {number}"
        if kind == "spelling":
            state["name"] = rng.choice(
                [name for name in ["total", "result", "value", "acc"] if name != state["name"]]
            )
            state["remark"] = f"The kernel, written for the {number}th time."
            return "kernel: another name for the same"
        if kind == "harmless":
            state["constant"] = number
            return f"kernel: number {number}"
        values = {
            "modulus": rng.randrange(50, 900),
            "shift": rng.randrange(1, 60),
            "factor": rng.randrange(3, 9999),
        }
        state["extra"] += EXTRA.format(number=number, **values)
        return f"extra: function {number}"


def plant(repository, what, percent):
    if what == "time":
        repository.state["rounds"] = 1000 + 10 * percent
        return "kernel: more rounds"
    if what == "allocation":
        repository.state["waste"] = WASTE
        return "kernel: a buffer"
    return None


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder")
    parser.add_argument(
        "--commits", type=int, default=64, help="make this many commits after the good end"
    )
    parser.add_argument("--plant", choices=["time", "allocation", "none"], default="time")
    parser.add_argument(
        "--at",
        type=int,
        help="plant at this position; 1 is the first after the good end [default: random]",
    )
    parser.add_argument(
        "--percent", type=int, default=5, help="make the culprit slower by this percentage"
    )
    parser.add_argument(
        "--broken", type=float, default=0.2, help="break the build of this share of the commits"
    )
    parser.add_argument(
        "--broken-neighbours",
        type=int,
        default=0,
        help="break the build of this many commits before the culprit",
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sdk", required=True, help="use the crate orch-sdk in this folder")
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    at = arguments.at or rng.randrange(1, arguments.commits + 1)
    repository = Repository(arguments.folder, Path(arguments.sdk).resolve())
    repository.commit("the beginning")
    repository.git("tag", "good")
    made = []
    for position in range(1, arguments.commits + 1):
        culprit = position == at and arguments.plant != "none"
        subject = plant(repository, arguments.plant, arguments.percent) if culprit else None
        if subject is None:
            subject = repository.change(
                rng.choice(["docs", "spelling", "extra", "harmless", "harmless"]), position, rng
            )
        beside = at - arguments.broken_neighbours <= position < at
        spared = position in (at - 1, at, arguments.commits)
        broken = beside or (rng.random() < arguments.broken and not spared)
        commit = repository.commit(subject, broken)
        made.append({"position": position, "commit": commit, "subject": subject, "broken": broken})
        if culprit:
            repository.git("tag", "culprit")
    repository.git("tag", "bad")
    found = {
        "folder": str(repository.root),
        "culprit": made[at - 1]["commit"] if arguments.plant != "none" else None,
        "position": at if arguments.plant != "none" else None,
        "broken": sum(one["broken"] for one in made),
        "commits": made,
    }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
