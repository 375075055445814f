//! The ends of help texts: examples and exit codes of each command.

use clap::Command;

/// The end of a command's help text.
struct HelpEnd {
    /// The command, with the one inside it if there is one.
    path: &'static [&'static str],
    examples: [&'static str; 2],
    exit_codes: &'static str,
}

const ENDS: [HelpEnd; 15] = [
    HelpEnd {
        path: &["run"],
        examples: [
            "orch run scenarios/nightly.yaml",
            "orch run bench.yaml --filter 'sort*' --dry-run",
        ],
        exit_codes: "0 if every job was measured, 201 if not",
    },
    HelpEnd {
        path: &["compare"],
        examples: [
            "orch compare HEAD~1 HEAD",
            "orch compare main . --scenario bench.yaml --filter 'sort*'",
        ],
        exit_codes: "0 if nothing regressed, 1 if a metric regressed or an output differs, 201 if \
            a job could not be compared",
    },
    HelpEnd {
        path: &["check"],
        examples: [
            "orch check",
            "orch check scenarios/nightly.yaml --baseline v1.2",
        ],
        exit_codes: "0 passed, 1 failed, 125 open, where the scenario does not let open verdicts \
            pass, 201 incomplete",
    },
    HelpEnd {
        path: &["bisect"],
        examples: [
            "orch bisect",
            "orch bisect bench.yaml --workload sort --good v1.2",
        ],
        exit_codes: "1 found, 0 nothing to find, 125 undecided",
    },
    HelpEnd {
        path: &["doctor"],
        examples: [
            "orch doctor",
            "orch doctor --rebuilds 8 --scenario bench.yaml",
        ],
        exit_codes: "0 if the machine was examined",
    },
    HelpEnd {
        path: &["import"],
        examples: [
            "orch import before.json after.json",
            "orch import target/criterion",
        ],
        exit_codes: "0 if the results were read",
    },
    HelpEnd {
        path: &["report"],
        examples: [
            "orch report results/20261201T150801Z-bench --template profile.md",
            "orch report results/20261201T150801Z-bench --format csv",
        ],
        exit_codes: "0 if the report was written",
    },
    HelpEnd {
        path: &["verify"],
        examples: [
            "orch verify results/20261201T150801Z-bench",
            "orch verify results/20261201T150801Z-bench/record.json",
        ],
        exit_codes: "0 if all figures and verdicts agree, 1 if one differs",
    },
    HelpEnd {
        path: &["time"],
        examples: [
            "orch time 'sort -n data' 'sort -g data'",
            "orch time --parameter-list threads 1,2,4 --prepare 'make clean' 'make -j{threads}'",
        ],
        exit_codes: "0 measured, 201 if a program failed",
    },
    HelpEnd {
        path: &["list"],
        examples: [
            "orch list",
            "orch list kernels/matmul --scenario scenarios/nightly.yaml",
        ],
        exit_codes: "0 if all plugins were listed, 201 if one could not be loaded",
    },
    HelpEnd {
        path: &["init"],
        examples: ["orch init", "orch init path/to/code"],
        exit_codes: "0 if the project is ready, 200 if the folder contains nothing to measure",
    },
    HelpEnd {
        path: &["plugin", "new"],
        examples: [
            "orch plugin new averages",
            "orch plugin new filters --lang cpp",
        ],
        exit_codes: "0 if the project was written",
    },
    HelpEnd {
        path: &["plugin", "check"],
        examples: [
            "orch plugin check .",
            "orch plugin check build/libfoo.so --workload 'sort*'",
        ],
        exit_codes: "0 without errors (notes and warnings are allowed), 201 with errors",
    },
    HelpEnd {
        path: &["schema"],
        examples: ["orch schema > bench.schema.json", "orch schema | less"],
        exit_codes: "0 if the schema was printed",
    },
    HelpEnd {
        path: &["completions"],
        examples: [
            "orch completions bash > ~/.local/share/bash-completion/completions/orch",
            "orch completions zsh > ~/.zfunc/_orch",
        ],
        exit_codes: "0 if the script was printed",
    },
];

/// Adds examples and exit codes to the help text of each command.
pub(super) fn add_ends(command: Command) -> Command {
    let command = command.after_help(
        "Topics: orch help environment, exit-codes, scenario, verdicts\n\n\
         Start with: orch init in the folder of your code, or orch time 'COMMAND' 'COMMAND'",
    );
    ENDS.iter()
        .fold(command, |command, end| add_end(command, end.path, end))
}

fn add_end(command: Command, path: &[&'static str], end: &HelpEnd) -> Command {
    let [first, rest @ ..] = path else {
        let notes = command.get_after_help().map(ToString::to_string);
        let notes = notes.map_or_else(String::new, |notes| format!("{notes}\n\n"));
        let [one, two] = end.examples;
        let codes = end.exit_codes;
        return command.after_help(format!(
            "{notes}Examples:\n  {one}\n  {two}\n\nExit code: {codes}; `orch help exit-codes` \
             lists the others."
        ));
    };
    command.mut_subcommand(first, |inner| add_end(inner, rest, end))
}
