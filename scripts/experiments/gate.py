#!/usr/bin/env python3
"""Checks that `orch check` passes commits that change nothing, and fails commits that matter.

    gate.py --orch target/release/orch [--count 50] [--filter 'GLOB']..
            [--out target/experiments/gate]

The script clones this repository and makes commits on a branch. They change the crate of the
kernels, `nn`, without changing its behaviour: comments, documents, functions that are never called,
formatting. After each commit, `orch check scenarios/smoke.yaml` judges the working tree against the
commit where the branch began. Two commits that matter follow. In one, GELU computes 3 % of its
numbers twice. In the other, LayerNorm allocates one block. Results are lines of JSON in `--out`.
The script does not repeat steps that have a result.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = "plugins/nn/src"
FILES = [
    "gelu.rs",
    "softmax.rs",
    "layer_norm.rs",
    "matmul.rs",
    "elementwise.rs",
    "simd.rs",
    "vmath.rs",
    "tensor.rs",
]

SLOWER = (
    "gelu.rs",
    """        Form::Quick => simd::map(x, out, quick_form),
    }
}
""",
    """        Form::Quick => simd::map(x, out, quick_form),
    }
    // Whole vectors only: the rest of a slice is handled apart, """
    """and costs more than it has elements.
    let again = x.len() / 31 / 16 * 16;
    if form == Form::Tanh {
        simd::map(std::hint::black_box(&x[..again]), &mut out[..again], tanh_form);
    }
}
""",
)


def git(folder, *arguments):
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def no_op(folder, number):
    """Changes the working tree without changing any program, and returns the subject."""
    file = folder / SOURCE / FILES[number % len(FILES)]
    text = file.read_text()
    kind = ["comment", "function", "formatting", "document"][number % 4]
    if kind == "comment":
        # The remark is in the middle of the file, so that the lines after it get other numbers.
        at = text.index("\npub fn") + 1 if "\npub fn" in text else len(text)
        text = text[:at] + f"// Remark {number}.\n" + text[at:]
    elif kind == "function":
        text += (
            f"\n/// Adds {number}, for nobody.\npub fn unrelated_{number}(x: u64) -> u64 {{\n"
            f"    x.rotate_left({number % 60 + 1}) ^ {number}\n}}\n"
        )
    elif kind == "formatting":
        text = text.replace("{\n    ", "{\n\n    ", 1)
    else:
        (folder / "docs" / "notes.md").write_text(f"# Notes\n\nNote {number}.\n")
    file.write_text(text)
    return f"{kind} {number}"


def check(arguments, folder, chosen):
    environment = dict(
        os.environ,
        XDG_CACHE_HOME=str(arguments.out / "cache"),
        ORCH_LOCK_FILE=str(arguments.out / "lock"),
    )
    command = [str(arguments.orch), "check", "scenarios/smoke.yaml", "--json"]
    command += ["--filter", chosen] if chosen else []
    begun = time.monotonic()
    run = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    comparison = json.loads(run.stdout) if run.stdout else {}
    findings = (comparison.get("gate") or {}).get("findings", [])
    counts = comparison.get("counts", {})
    found = {
        "code": run.returncode,
        "findings": findings,
        "counts": counts,
        "seconds": round(time.monotonic() - begun, 1),
    }
    found["scopes"] = {
        one["id"]: places(one["scopes"])
        for one in comparison.get("workloads", [])
        if one.get("scopes")
    }
    if run.returncode not in (0, 1):
        found["stderr"] = run.stderr[-2000:]
    return found


def places(scopes):
    """Returns the places that changed most, as `share of the time, allocations in path`."""
    shown = []
    for scope in scopes[:3]:
        more = scope["b_self_allocations"] - scope["a_self_allocations"]
        path = " > ".join(scope["path"]) or "outside of scopes"
        shown.append(
            f"{100 * (scope['share'] or 0):.0f} % of the time, {more:+g} allocations in {path}"
        )
    return shown


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--orch", type=Path, required=True)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument(
        "--filter",
        action="append",
        help="check only matching jobs; the no-op commits use several filters in turn",
    )
    parser.add_argument("--out", type=Path, default=ROOT / "target/experiments/gate")
    arguments = parser.parse_args()
    arguments.orch, arguments.out = arguments.orch.resolve(), arguments.out.resolve()
    arguments.out.mkdir(parents=True, exist_ok=True)
    results = arguments.out / "results.jsonl"
    done = (
        [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    )
    folder = arguments.out / "clone"
    if not folder.exists():
        git(arguments.out, "clone", "-q", str(ROOT), str(folder))
        git(folder, "checkout", "-q", "-b", "trial")
    steps = [("no-op", number) for number in range(arguments.count)] + [
        ("slower", 0),
        ("allocation", 0),
    ]
    with open(results, "a") as log:
        for kind, number in steps[len(done) :]:
            if kind == "no-op":
                subject = no_op(folder, number)
            else:
                git(folder, "checkout", "-q", "-B", kind, "trial")
                file, before, after = SLOWER if kind == "slower" else allocation(folder)
                path = folder / SOURCE / file
                assert before in path.read_text(), f"{file} does not contain the expected code"
                path.write_text(path.read_text().replace(before, after, 1))
                subject = kind
            git(folder, "add", "-A")
            git(folder, "commit", "-q", "-m", subject)
            filters = arguments.filter if kind == "no-op" else None
            chosen = filters[number % len(filters)] if filters else None
            found = {
                "kind": kind,
                "subject": subject,
                "filter": chosen,
                **check(arguments, folder, chosen),
            }
            log.write(json.dumps(found) + "\n")
            log.flush()
            done.append(found)
            print(
                f"{subject}: exit {found['code']}, {found['counts']}, {found['seconds']} s",
                flush=True,
            )
    return report(done)


def allocation(folder):
    """Returns the change that makes LayerNorm's first function allocate a superfluous block."""
    text = (folder / SOURCE / "layer_norm.rs").read_text()
    begin = text.index("\npub fn ")
    end = text.index("{\n", begin) + 2
    before = text[begin:end]
    return (
        "layer_norm.rs",
        before,
        before + "    std::hint::black_box(Vec::<u8>::with_capacity(std::hint::black_box(64)));\n",
    )


def report(done):
    no_ops = [one for one in done if one["kind"] == "no-op"]
    red = [one for one in no_ops if one["code"] != 0]
    verdicts = {}
    for one in no_ops:
        for verdict, count in one["counts"].items():
            verdicts[verdict] = verdicts.get(verdict, 0) + count
    print(f"{len(no_ops)} no-op commits: {len(red)} not green; verdicts on workloads: {verdicts}")
    for one in red:
        print(f"  {one['subject']}: exit {one['code']}: {one['findings']}")
    planted = [one for one in done if one["kind"] != "no-op"]
    for one in planted:
        worse = [
            f"{finding['job']} {finding['metric']}: {finding['message']}"
            for finding in one["findings"]
        ]
        print(f"{one['kind']}: exit {one['code']}: {'; '.join(worse)}")
        for job, scopes in one.get("scopes", {}).items():
            print(f"  {job}: {'; '.join(scopes)}")
    return 0 if not red and all(one["code"] == 1 for one in planted) else 1


if __name__ == "__main__":
    sys.exit(main())
