//! `orch import` in the whole program: the values that a table contains, the contradictions in it,
//! and the errors for wrong tables.

use crate::support::{Project, Ran};
use serde_json::Value;

const SEED: &str = include_str!("../fixtures/comparison-2026-02-04.csv");

fn import(table: impl AsRef<[u8]>, more: &[&str]) -> (Project, Ran) {
    let project = Project::new();
    project.write("table.csv", table);
    let ran = project.orch(&[&["import", "table.csv"], more].concat());
    (project, ran)
}

fn comparison(table: &str) -> Value {
    let (_project, ran) = import(table, &["--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap()
}

/// Returns the error for a wrong table, of which nothing is stored.
fn refused(table: impl AsRef<[u8]>) -> String {
    let (project, ran) = import(table, &[]);
    assert_eq!((ran.code, ran.stdout.as_str()), (200, ""), "{}", ran.stderr);
    assert_eq!(
        project.results(),
        Vec::<std::path::PathBuf>::new(),
        "nothing is stored"
    );
    ran.stderr
}

#[test]
fn seed_report_contradictions_are_found() {
    let (project, ran) = import(SEED, &[]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert!(
        ran.stdout
            .lines()
            .all(|line| line.chars().count() <= 80 || line.starts_with("comparison: "))
    );
    insta::with_settings!({ filters => [(r"results/\S+-table-import\S*/", "FOLDER/")] }, {
        insta::assert_snapshot!(ran.stdout, @r"
        table.csv: 29 rows, one sample per side: every verdict is inconclusive

        row                          before (ms) after (ms)   change  allocated (MB)
        Model_Medium_Inference           1201.28    2186.63  +82.0 % 729.97 -> 83.12
          Model_Medium_GenerateToken     1201.18    2186.56  +82.0 % 729.96 -> 83.12
            Model_Medium_Forward         1200.76    2186.21  +82.1 % 729.96 -> 83.11
        MatMul_512x512                    172.11     449.13 +161.0 %    0.00 -> 0.02
          MatMul_Iteration                148.10     390.54 +163.7 %    0.00 -> 0.02
        Model_Small_Inference             531.64     427.71  -19.5 % 109.26 -> 18.97
          Model_Small_GenerateToken       531.59     427.63  -19.6 % 109.26 -> 18.97
            Model_Small_Forward           529.00     425.27  -19.6 % 109.26 -> 18.96
        GELU_1000000                      100.60     163.03  +62.1 %            0.01
          GELU_Iteration                   90.44     153.75  +70.0 %            0.00
        Model_Medium_Creation              84.98     139.84  +64.6 %  26.45 -> 26.42
        MatMul_256x256                     19.59      56.52 +188.5 %    0.00 -> 0.01
        MatMul_128x128                      3.54      20.00 +465.0 %    0.00 -> 0.07
        Model_Small_Creation               34.51      24.60  -28.7 %            3.61
        TensorAdd_10000                    10.84       1.82  -83.2 %            0.38
          TensorAdd_Iteration              10.83       1.81  -83.3 %            0.38
        GELU_100000                        11.06      17.18  +55.3 %    0.01 -> 0.00
        Softmax_2048                        6.22       0.23  -96.3 %            0.00
        Softmax_256                         7.21       1.35  -81.3 %            0.00
          Softmax_Iteration                 6.36       0.34  -94.7 %            0.00
        BroadcastAdd_100x100                6.93       2.19  -68.4 %    0.38 -> 0.39
          BroadcastAdd_Iteration            6.91       2.16  -68.7 %    0.38 -> 0.39
        MatMul_64x64                        7.07       4.97  -29.7 %            0.00
        TensorMul_10000                     0.60       1.69 +181.7 %            0.38
          TensorMul_Iteration               0.59       1.68 +184.7 %            0.38
        GELU_10000                          1.17       2.06  +76.1 %            0.00
        GELU_1000                           2.28       2.72  +19.3 %            0.00
        Softmax_1024                        0.15       0.10  -33.3 %            0.00
        Softmax_512                         0.06       0.06   +0.0 %            0.00

        An indented row is assumed to be part of the row above it. This is inferred from
        names, times and allocations; the table does not state it.

        9 contradictions: 0 impossible, 8 misleading (may be true, but does not mean
          what it seems to), 1 unresolved (the figures are too coarse)

        misleading: nested-total
          10 of 29 rows are inside other rows: the sum of all, 5927.60 -> 9277.78 ms,
          counts their time more than once; the 19 outermost rows sum to 2201.84 ->
          3501.83 ms

        misleading: no-overall-sign
          the 19 outermost rows have no common sign: their sum is +59.0 %, their
          geometric mean -8.4 %; 10 took longer, 8 took less time, 1 did not change;
          Model_Medium_Inference alone is 76 % of the sum's change

        misleading: more-work-less-time
          more work in less time: MatMul_64x64 7.07 ms, MatMul_128x128 3.54 ms before:
          first-call cost or noise, not the kernel

        misleading: more-work-less-time
          more work in less time: GELU_1000 2.28 ms, GELU_10000 1.17 ms before;
          GELU_1000 2.72 ms, GELU_10000 2.06 ms after: first-call cost or noise, not the
          kernel

        misleading: more-work-less-time
          more work in less time: Softmax_256 7.21 ms, Softmax_512 0.06 ms, Softmax_1024
          0.15 ms, Softmax_2048 6.22 ms before; Softmax_256 1.35 ms, Softmax_512
          0.06 ms, Softmax_1024 0.10 ms, Softmax_2048 0.23 ms after: first-call cost or
          noise, not the kernel

        misleading: same-traffic
          TensorAdd_10000 took 10.84 ms, TensorMul_10000 0.60 ms before: both read and
          write the same bytes, but the times differ by a factor of 18

        misleading: new-allocation
          allocates where nothing was allocated before, while the reported status is
          about time only: MatMul_512x512 0.00 -> 0.02 MB, MatMul_Iteration 0.00 -> 0.02
          MB, MatMul_128x128 0.00 -> 0.07 MB

        misleading: part-against-whole
          Model_Small_Inference is -19.5 %, while the matrix products that it consists
          of are MatMul_512x512 +161.0 %, MatMul_256x256 +188.5 %, MatMul_128x128
          +465.0 %: one of them does not measure what its name says

        unresolved: below-resolution
          below the resolution of the figures: Softmax_1024 0.15 -> 0.10 ms (reported as
          -33.3 %) is -39 to -28 %, Softmax_512 0.06 -> 0.06 ms (reported as +0.0 %) is
          -15 to +18 %

        comparison: FOLDER/comparison.json
        ");
    });
    let folder = project.results().pop().unwrap();
    let printed = std::fs::read_to_string(folder.join("import.txt")).unwrap();
    assert!(ran.stdout.starts_with(&printed));
    let report = std::fs::read_to_string(folder.join("comparison.md")).unwrap();
    assert!(
        report.contains("| misleading | nested-total |") && !report.contains("\n\n\n\n"),
        "{report}"
    );
}

/// The cases from which the rules were derived, each under the rule that has to find it.
#[test]
fn contradictions_in_the_table_are_all_found() {
    let found = comparison(SEED);
    let expected: [(&str, &str, &[&str]); 9] = [
        (
            "T1",
            "nested-total",
            &[
                "MatMul_Iteration",
                "Model_Medium_Forward",
                "Softmax_Iteration",
            ],
        ),
        (
            "T40",
            "no-overall-sign",
            &["Model_Medium_Inference", "Softmax_512"],
        ),
        (
            "T22",
            "more-work-less-time",
            &["MatMul_64x64", "MatMul_128x128"],
        ),
        ("T23", "more-work-less-time", &["GELU_1000", "GELU_10000"]),
        (
            "T24",
            "more-work-less-time",
            &["Softmax_256", "Softmax_512", "Softmax_1024", "Softmax_2048"],
        ),
        (
            "T25",
            "same-traffic",
            &["TensorAdd_10000", "TensorMul_10000"],
        ),
        ("T29", "new-allocation", &["MatMul_128x128"]),
        (
            "T35",
            "part-against-whole",
            &["Model_Small_Inference", "MatMul_128x128"],
        ),
        ("T32", "below-resolution", &["Softmax_512"]),
    ];
    let contradictions = found["contradictions"].as_array().unwrap();
    assert_eq!(contradictions.len(), expected.len(), "{contradictions:#?}");
    for ((case, rule, rows), found) in expected.iter().zip(contradictions) {
        assert_eq!(found["id"], *rule, "{case}");
        for row in *rows {
            assert!(
                found["rows"].as_array().unwrap().contains(&(*row).into()),
                "{case}: {row} in {found}"
            );
        }
    }
    let inside: Vec<String> = found["imported"]["rows"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|row| {
            Some(format!(
                "{} in {}",
                row["name"].as_str()?,
                row["inside"].as_str()?
            ))
        })
        .collect();
    assert_eq!(
        inside,
        [
            "Model_Medium_Forward in Model_Medium_GenerateToken",
            "Model_Medium_GenerateToken in Model_Medium_Inference",
            "MatMul_Iteration in MatMul_512x512",
            "Model_Small_GenerateToken in Model_Small_Inference",
            "Model_Small_Forward in Model_Small_GenerateToken",
            "GELU_Iteration in GELU_1000000",
            "TensorAdd_Iteration in TensorAdd_10000",
            "Softmax_Iteration in Softmax_256",
            "BroadcastAdd_Iteration in BroadcastAdd_100x100",
            "TensorMul_Iteration in TensorMul_10000",
        ]
    );
}

#[test]
fn imported_table_is_not_judged() {
    let found = comparison(SEED);
    assert_eq!(found["schema"], "orch/comparison/1");
    assert_eq!(
        (&found["a"]["kind"], &found["a"]["git"]),
        (&"imported".into(), &Value::Null)
    );
    assert_eq!(
        (&found["verdict"], &found["counts"]["inconclusive"]),
        (&"inconclusive".into(), &29.into())
    );
    for unknown in ["machine", "toolchain", "scenario", "seed", "totals"] {
        assert_eq!(found[unknown], Value::Null, "{unknown}");
    }
    let entries = found["jobs"].as_array().unwrap();
    assert_eq!(entries.len(), 2 * 29);
    for entry in entries {
        assert_eq!(entry["verdict"], "inconclusive");
        assert!(
            entry["reason"]
                .as_str()
                .unwrap()
                .starts_with("one sample per side")
        );
    }
    let of = |id: &str, metric: &str| {
        entries
            .iter()
            .find(|entry| entry["id"] == id && entry["metric"] == metric)
            .unwrap()
    };
    let time = of("Model_Medium_Forward", "time");
    assert_eq!(
        (&time["a"], &time["b"]),
        (&1_200_760_000.0.into(), &2_186_210_000.0.into())
    );
    assert_eq!(time["change"]["low"], Value::Null);
    assert_eq!(
        of("MatMul_128x128", "allocated")["reason"],
        "one sample per side; 0.00 MB became 0.07 MB"
    );
    assert_eq!(
        of("MatMul_64x64", "allocated")["reason"],
        "one sample per side"
    );
}

#[test]
fn columns_may_be_in_any_order_and_most_may_be_missing() {
    let table = "\u{feff}current_ms,host, method ,previous_ms,\n2.0,x,\"A, then B\",1.0,\n";
    let (_project, ran) = import(table, &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    insta::with_settings!({ filters => [(r"results/\S+-table-import\S*/", "FOLDER/")] }, {
        insta::assert_snapshot!(ran.stdout, @r"
        table.csv: 1 row, one sample per side: every verdict is inconclusive
        ignored columns: host, number 5

        row       before (ms) after (ms)   change
        A, then B         1.0        2.0 +100.0 %

        1 contradiction: 0 impossible, 0 misleading (may be true, but does not mean what
          it seems to), 1 unresolved (the figures are too coarse)

        unresolved: below-resolution
          below the resolution of the figures: A, then B 1.0 -> 2.0 ms is +86 to +116 %

        comparison: FOLDER/comparison.json
        ");
    });
}

#[test]
fn wrong_table_is_refused_with_every_place() {
    insta::assert_snapshot!(refused(
        "method,previous_ms,current_ms,previous_alloc_mb\nA,fast,1.0,\nB,1.0\n,1.0,NaN,1\n\
         C,1.0,2.0,3.0\nD,\"1,200.5\",2.0,x\nC,1,1,1\n\"E\nF\",1,1,1\n"
    ), @r"
        error: table.csv:2: column 2, `previous_ms`: `fast` is not a number
        hint: write a number with a decimal point, such as 12.34, without thousands separators
        error: table.csv:3: 2 values under 4 columns
        hint: write one value per column, separated by commas, with quotes around a value that contains a comma
        error: table.csv:4: column 1, `method`: is empty
        hint: a row needs a method and both times
        error: table.csv:4: column 3, `current_ms`: `NaN` is not a number
        hint: write a number with a decimal point, such as 12.34, without thousands separators
        error: table.csv:6: column 2, `previous_ms`: `1,200.5` is not a number
        hint: write a number with a decimal point, such as 12.34, without thousands separators
        error: table.csv:6: column 4, `previous_alloc_mb`: `x` is not a number
        hint: write a number with a decimal point, such as 12.34, without thousands separators
        error: table.csv:7: column 1, `method`: `C` is already in line 5
        hint: one line per method
        error: table.csv:8: column 1, `method`: contains a line break or another control character
        hint: write a name or a word in one line
        8 problems in table.csv; nothing was imported
        ");
    insta::assert_snapshot!(refused(
        "method,previous_ms,current_ms,\"x\x1b]0;y\n::error::z\"\nA,1,2,3\n"
    ), @r#"
        error: table.csv:1: column 4: its name, "x\u{1b}]0;y\n::error::z", contains a line break or another control character
        hint: write the column's name in one line
        1 problem in table.csv; nothing was imported
        "#);
    insta::assert_snapshot!(refused("method,previous_ns,current_ms\nA,1,2\n"), @r#"
        error: table.csv:1: there is no column `previous_ms`
        hint: rename `previous_ns`, if it is this column
        1 problem in table.csv; nothing was imported
        "#);
    insta::assert_snapshot!(refused("method;previous_ms;current_ms\nA;1;2\n"), @r#"
        error: table.csv:1: there is no column `method`
        hint: the first line names the columns, separated by commas; it contains `method;previous_ms;current_ms`
        error: table.csv:1: there is no column `previous_ms`
        hint: the first line names the columns, separated by commas; it contains `method;previous_ms;current_ms`
        error: table.csv:1: there is no column `current_ms`
        hint: the first line names the columns, separated by commas; it contains `method;previous_ms;current_ms`
        3 problems in table.csv; nothing was imported
        "#);
    insta::assert_snapshot!(refused("method,previous_ms,current_ms,method\nA,1,2,B\n"), @r#"
        error: table.csv:1: column `method` appears 2 times
        hint: remove all but one of them
        1 problem in table.csv; nothing was imported
        "#);
    insta::assert_snapshot!(refused(""), @r#"
        error: table.csv:1: there is no column `method`
        hint: the first line names the columns, separated by commas; it contains none
        error: table.csv:1: there is no column `previous_ms`
        hint: the first line names the columns, separated by commas; it contains none
        error: table.csv:1: there is no column `current_ms`
        hint: the first line names the columns, separated by commas; it contains none
        3 problems in table.csv; nothing was imported
        "#);
    insta::assert_snapshot!(refused("method,previous_ms,current_ms\n"), @r#"
        error: table.csv:1: the table has no rows
        hint: add a line per method below the line with the columns' names
        1 problem in table.csv; nothing was imported
        "#);
    insta::assert_snapshot!(refused(b"method,previous_ms,current_ms\nA,1,2\n\xff,1,2\n"), @r#"
        error: table.csv:3: is not UTF-8 text
        hint: store the file as UTF-8
        "#);
    let many = format!("method,previous_ms,current_ms\n{}", "A,x,1\n".repeat(30));
    assert!(refused(many).ends_with(
        "30 problems in table.csv, the first 20 of which are shown; nothing was imported\n"
    ));
}

#[test]
fn figures_that_exclude_each_other_are_called_impossible() {
    let found = comparison(
        "method,previous_ms,current_ms,delta_percent,reported_status\nA,1.00,2.00,+50.0,Improved\n",
    );
    let told: Vec<(&str, &str)> = found["contradictions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (
                one["severity"].as_str().unwrap(),
                one["message"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (
                "impossible",
                "A: 1.00 -> 2.00 ms is a change of +100.0 %, not +50.0 %"
            ),
            ("impossible", "A: reported as Improved with 1.00 -> 2.00 ms"),
        ]
    );
}

#[test]
fn imported_comparison_is_no_measured_one() {
    let (project, _) = import(SEED, &[]);
    let folder = project.results().pop().unwrap();
    let bisect = project.orch(&["bisect"]);
    assert_eq!(bisect.code, 200);
    assert!(
        bisect.stderr.contains("no comparison of two commits"),
        "{}",
        bisect.stderr
    );
    for side in [folder.join("comparison.json"), folder.clone()] {
        let compare = project.orch(&["compare", side.to_str().unwrap(), side.to_str().unwrap()]);
        assert_eq!(compare.code, 200, "{}", compare.stderr);
        assert!(compare.stderr.contains("record"), "{}", compare.stderr);
    }
    let elsewhere = project.orch(&["import", "table.csv", "--results", "other"]);
    assert_eq!(elsewhere.code, 0, "{}", elsewhere.stderr);
    assert!(project.path().join("other").is_dir());
    let nowhere = project.orch(&["import", "nowhere.csv"]);
    assert_eq!(nowhere.code, 200);
    assert!(
        nowhere.stderr.contains("cannot read nowhere.csv"),
        "{}",
        nowhere.stderr
    );
}

#[test]
fn results_of_two_sessions_are_compared() {
    let project = Project::new();
    let folder = crate::support::fixture("imports");
    let file = |name: &str| folder.join(name).display().to_string();
    let (before, after) = (file("hyperfine-before.json"), file("hyperfine-after.json"));
    let ran = project.orch(&["import", &before, &after, "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(found["imported"]["format"], "hyperfine");
    assert_eq!(found["verdict"], "inconclusive");
    assert_eq!(found["jobs"][0]["reason_kind"], "separate_sessions");
    let stored = project.results().pop().unwrap();
    for name in ["comparison.json", "import.txt", "comparison.md"] {
        assert!(stored.join(name).is_file(), "{name}");
    }
    let criterion = project.orch(&["import", &file("criterion")]);
    assert_eq!(criterion.code, 0, "{}", criterion.stderr);
    let mixed = project.orch(&["import", &before, &file("pytest-after.json")]);
    assert_eq!(mixed.code, 200);
    assert!(
        mixed.stderr.contains("hint: name two files of one tool"),
        "{}",
        mixed.stderr
    );
}
