//! Tests of the comparison with small libraries in C and Rust, which the tests compile.

use super::*;
use object::{Object, ObjectSymbol};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

static COUNT: AtomicU32 = AtomicU32::new(0);

fn compile_library(
    extension: &str,
    source: &str,
    compile: impl Fn(&PathBuf, &PathBuf) -> Command,
) -> Vec<u8> {
    let folder = std::env::temp_dir().join(format!(
        "orch-code-{}-{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    ));
    std::fs::create_dir_all(&folder).unwrap();
    let (from, to) = (
        folder.join(format!("source.{extension}")),
        folder.join("library.so"),
    );
    std::fs::write(&from, source).unwrap();
    let output = compile(&from, &to).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let library = std::fs::read(to).unwrap();
    std::fs::remove_dir_all(folder).unwrap();
    library
}

fn compile_c_with(flags: &[&str], source: &str) -> Vec<u8> {
    compile_library("c", source, |from, to| {
        let mut command = Command::new("cc");
        command
            .args(["-O2", "-shared", "-fPIC", "-o"])
            .arg(to)
            .arg(from)
            .args(flags)
            .arg("-lm");
        command
    })
}

fn compile_c(source: &str) -> Vec<u8> {
    compile_c_with(&[], source)
}

fn compile_rust(source: &str) -> Vec<u8> {
    compile_library("rs", source, |from, to| {
        let mut command = Command::new("rustc");
        command.args([
            "--edition=2024",
            "--crate-type=cdylib",
            "--crate-name=plugin",
            "-O",
            "-Cpanic=unwind",
            "-o",
        ]);
        command.arg(to).arg(from);
        command
    })
}

fn find_root(library: &[u8]) -> u64 {
    let file = object::File::parse(library).unwrap();
    let symbol = file
        .dynamic_symbols()
        .find(|symbol| symbol.name() == Ok("run"));
    symbol.unwrap().address()
}

fn compare_run(a: &[u8], b: &[u8]) -> CodeSameness {
    compare_builds(a, b, &[find_root(a)], &[find_root(b)]).unwrap()
}

#[track_caller]
fn assert_same(a: &[u8], b: &[u8]) {
    assert!(
        matches!(compare_run(a, b), CodeSameness::Same { .. }),
        "{:?}",
        compare_run(a, b)
    );
}

#[track_caller]
fn list_changes(a: &[u8], b: &[u8]) -> Vec<(String, CodeChangeKind)> {
    match compare_run(a, b) {
        CodeSameness::Changed(changes) => changes
            .into_iter()
            .map(|change| (change.function, change.kind))
            .collect(),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn assert_changed(a: &[u8], b: &[u8], function: &str, kind: CodeChangeKind) {
    assert_eq!(list_changes(a, b), [(function.to_owned(), kind)]);
}

/// Source that uses many features.
const C: &str = r#"
#include <math.h>
#include <string.h>
static const float table[20] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
struct ops { int (*first)(int); int (*second)(int); };
static int triple(int x) { return 3 * x; }
static int square(int x) { return x * x; }
static const struct ops OPS = {triple, square};
const struct ops *volatile current = &OPS;
static volatile int setting = 17;
static _Thread_local int calls = 5;
__attribute__((noinline)) static double deepest(double x) { return cos(x) * 2.5; }
__attribute__((noinline)) static double deeper(double x) { return deepest(x) + 1; }
__attribute__((noinline)) static double choose(int i, double x) {
  switch (i) {
    case 0: return x; case 1: return sqrt(x) + 3; case 2: return x / 7; case 3: return deepest(x) - 2;
    case 4: return deeper(x); case 5: return x * x; case 6: return 1 / x; default: return 0;
  }
}
const char *volatile text;
double run(int n) {
  double sum = 0;
  for (int i = 0; i < n; i++)
    sum += table[i % 20] + choose(i % 9, i) + current->first(i) + setting;
  text = "the end";
  return sum + deeper(n) + calls++;
}
"#;

#[test]
fn build_is_the_same_as_itself() {
    assert_same(&compile_c(C), &compile_c(C));
}

#[test]
fn unrelated_functions_and_data_change_nothing() {
    let more = r#"
        const char *volatile other; static volatile int before[70] = {4};
        double unrelated(double x, int i) { other = "something else"; before[2]++;
          switch (i) { case 0: return x; case 1: return x + 3.25; case 2: return x * 77.7; case 3: return x - 2;
            case 4: return 8.125 / x; case 5: return x * x; } return 9.5; }
    "#;
    let added = format!("{more}{C}");
    assert_same(&compile_c(C), &compile_c(&added));
    assert_same(
        &compile_c_with(&["-falign-functions=64", "-falign-loops=64"], C),
        &compile_c_with(&["-falign-functions=16"], &added),
    );
}

#[test]
fn relocations_may_have_another_form() {
    assert_same(
        &compile_c(C),
        &compile_c_with(&["-Wl,-z,pack-relative-relocs"], C),
    );
}

#[test]
fn change_of_every_kind_is_found() {
    let before = compile_c(C);
    let cases = [
        (
            "return 3 * x;",
            "return 5 * x;",
            "triple",
            CodeChangeKind::Different,
        ),
        (
            "return x * x;",
            "return x * x * x;",
            "square",
            CodeChangeKind::Different,
        ),
        (
            "case 5: return x * x;",
            "case 5: return x + x;",
            "choose",
            CodeChangeKind::Different,
        ),
        ("9, 10, 11}", "9, 10, 12}", "table", CodeChangeKind::Data),
        ("* 2.5", "* 2.75", "deepest", CodeChangeKind::Data),
        ("cos(x)", "sin(x)", "deepest", CodeChangeKind::Different),
        ("the end", "The end", "run", CodeChangeKind::Data),
        (
            "setting = 17",
            "setting = 18",
            "setting",
            CodeChangeKind::Data,
        ),
        (
            "{triple, square}",
            "{square, triple}",
            "triple",
            CodeChangeKind::Different,
        ),
        (
            "return deepest(x) + 1;",
            "return deepest(x) - 1;",
            "deeper",
            CodeChangeKind::Different,
        ),
    ];
    for (from, to, function, kind) in cases {
        let changed = C.replace(from, to);
        assert_ne!(changed, C);
        let found = list_changes(&before, &compile_c(&changed));
        assert!(
            found.contains(&(function.to_owned(), kind)),
            "{from}: {found:?}"
        );
    }
}

#[test]
fn texts_that_share_their_end_are_compared_to_the_end() {
    let source = |a: &str, b: &str| {
        format!(
            "const char *volatile t, *volatile u;
            void run(void) {{ t = \"{a}\"; }} void other(void) {{ u = \"{b}\"; }}"
        )
    };
    assert_changed(
        &compile_c(&source("the end", "end")),
        &compile_c(&source("the eve", "eve")),
        "run",
        CodeChangeKind::Data,
    );
    assert_same(
        &compile_c(&source("the end", "other")),
        &compile_c(&source("the end", "end")),
    );
}

#[test]
fn switch_targets_count() {
    let library = compile_c(C);
    let image = LibraryImage::parse(&library).unwrap();
    let (address, entries) = image
        .sweep
        .tables()
        .find(|(_, table)| table.to_code)
        .unwrap();
    assert_eq!(entries.entries, 7, "one for each case");
    // Constants have the same offset in the file as in memory.
    let place = address as usize;
    let mut swapped = library.clone();
    swapped[place..place + 8].rotate_left(4);
    assert_changed(&library, &swapped, "choose", CodeChangeKind::Data);
}

#[test]
fn thread_local_initial_value_counts() {
    let changed = C.replace("calls = 5", "calls = 6");
    assert_eq!(list_changes(&compile_c(C), &compile_c(&changed)).len(), 1);
}

#[test]
fn initialisers_count() {
    let early = |x: u32| {
        format!(
            "static float table[4];
            __attribute__((constructor)) void fill(void) {{
                for (int i = 0; i < 4; i++) table[i] = i * {x}.5f;
            }}
            float run(int i) {{ return table[i]; }}"
        )
    };
    assert_same(&compile_c(&early(1)), &compile_c(&early(1)));
    assert!(!list_changes(&compile_c(&early(1)), &compile_c(&early(2))).is_empty());
}

#[test]
fn written_variable_counts() {
    let source = |first: &str, second: &str| {
        format!(
            "static volatile int x, y, z; int run(int i) \
             {{ {first} = i; {second} = i + 1; return x + y; }}"
        )
    };
    assert_same(&compile_c(&source("x", "y")), &compile_c(&source("x", "y")));
    assert!(!list_changes(&compile_c(&source("x", "y")), &compile_c(&source("y", "x"))).is_empty());
    assert!(!list_changes(&compile_c(&source("x", "y")), &compile_c(&source("x", "x"))).is_empty());
}

#[test]
fn stripped_library_is_unknown() {
    let stripped = compile_c_with(&["-s"], C);
    assert!(matches!(
        compare_run(&stripped, &stripped),
        CodeSameness::Unknown(_)
    ));
    assert!(matches!(
        compare_run(&compile_c(C), &stripped),
        CodeSameness::Unknown(_)
    ));
}

#[test]
fn roots_default_to_the_functions_of_the_plugin() {
    let table =
        "struct t { int size; void *run, *none; }; const struct t orch_plugin_v1 = {24, run, 0};";
    let source = format!("{C}\n{table}");
    let same = compare_builds(&compile_c(&source), &compile_c(&source), &[], &[]).unwrap();
    assert!(
        matches!(same, CodeSameness::Same { functions: 4.., .. }),
        "{same:?}"
    );
    let changed = compare_builds(
        &compile_c(&source),
        &compile_c(&source.replace("* 2.5", "* 9")),
        &[],
        &[],
    )
    .unwrap();
    assert!(matches!(changed, CodeSameness::Changed(_)));
    assert!(matches!(
        compare_builds(&compile_c(C), &compile_c(C), &[], &[]),
        Err(CodeError::NoPlugin)
    ));
}

#[test]
fn broken_files_give_errors() {
    let library = compile_c(C);
    assert!(compare_builds(b"nothing", &library, &[1], &[1]).is_err());
    assert!(matches!(
        compare_builds(&library, &library, &[1], &[]),
        Err(CodeError::Roots { a: 1, b: 0 })
    ));
    assert!(matches!(
        compare_builds(&library, &library, &[1], &[1]).unwrap(),
        CodeSameness::Unknown(_)
    ));
    let address = find_root(&library);
    for end in (0..library.len()).step_by(97) {
        let _ = compare_builds(&library[..end], &library, &[address], &[address]);
    }
    let mut random = 1_u64;
    for _ in 0..300 {
        let mut broken = library.clone();
        for _ in 0..30 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let place = (random >> 33) as usize % broken.len();
            broken[place] = (random >> 20) as u8;
        }
        let _ = compare_builds(&broken, &library, &[address], &[address]);
        let _ = compare_builds(&broken, &broken, &[address], &[address]);
    }
}

#[test]
fn shapes_describe_the_code() {
    let source = |step: &str| {
        format!(
            "#include <math.h>\nvoid run(float *x, int n) \
             {{ for (int i = 0; i < n; i++) x[i] = {step}; }}"
        )
    };
    let (a, b) = (
        compile_c_with(&["-O3"], &source("x[i] * 3 + 1")),
        compile_c_with(&["-O3"], &source("cosf(x[i])")),
    );
    let CodeSameness::Changed(changes) = compare_run(&a, &b) else {
        panic!()
    };
    let (a, b) = (changes[0].a.unwrap(), changes[0].b.unwrap());
    assert!(
        a.packed_float >= 2 && a.widest_vector_bits >= 128 && a.calls_in_loops == 0,
        "{a:?}"
    );
    assert!(b.packed_float == 0 && b.calls_in_loops == 1, "{b:?}");
}

const RUST: &str = r#"
use std::hint::black_box;
trait NamedLayer { fn apply(&self, x: f32) -> f32; fn name(&self) -> &'static str; }
struct ScaleLayer(f32);
struct ShiftLayer(f32);
impl NamedLayer for ScaleLayer { fn apply(&self, x: f32) -> f32 { x * self.0 } fn name(&self) -> &'static str { "scale" } }
impl NamedLayer for ShiftLayer { fn apply(&self, x: f32) -> f32 { x + self.0 } fn name(&self) -> &'static str { "shift" } }
enum LetterKind { A, B, C, D, E }
#[inline(never)]
fn text(kind: LetterKind) -> &'static str {
    match kind { LetterKind::A => "first", LetterKind::B => "another", LetterKind::C => "third one", LetterKind::D => "4", LetterKind::E => "last" }
}
//INLINE
fn pick(values: &[f32], i: usize) -> f32 { values[i] + values[i + 7] }
#[unsafe(no_mangle)]
pub extern "C" fn run(n: usize) -> f32 {
    let layers: Vec<Box<dyn NamedLayer>> = vec![Box::new(ScaleLayer(1.5)), Box::new(ShiftLayer(0.25))];
    let values: Vec<f32> = (0..n).map(|i| i as f32).collect();
    let mut sum = 0.0;
    for layer in black_box(&layers) { sum += layer.apply(pick(&values, black_box(n / 2))) + layer.name().len() as f32; }
    for kind in black_box([LetterKind::A, LetterKind::B, LetterKind::C, LetterKind::D, LetterKind::E]) { sum += text(kind).len() as f32; }
    black_box(text(black_box(LetterKind::B)));
    let last: Option<&f32> = values.last();
    sum + last.expect("there is a last one")
}
"#;

#[test]
fn rust_code_is_the_same_after_moves_and_unrelated_code() {
    let before = compile_rust(RUST);
    assert_same(
        &before,
        &compile_rust(&format!(
            "// A comment\n\n// or two{}",
            RUST.replace("\nfn pick", "\n\n// more\nfn pick")
        )),
    );
    let more = r#"
        #[unsafe(no_mangle)]
        pub extern "C" fn unrelated(n: usize) -> usize {
            let table = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3];
            let digits: [usize; 4] = [table[n], table[n + 3], table[n / 2], table[n % 16]];
            assert!(digits[0] != n, "another text with {n}");
            digits.iter().sum::<usize>() ^ n
        }
    "#;
    let added = compile_rust(&format!("{more}{RUST}"));
    assert!(find_root(&before) != find_root(&added), "nothing moved");
    assert_same(&before, &added);
}

#[test]
fn rust_changes_are_found() {
    let before = compile_rust(RUST);
    let cases = [
        ("x + self.0", "x - self.0"),
        ("\"shift\"", "\"shaft\""),
        ("\"another\"", "\"anotter\""),
        ("ScaleLayer(1.5)", "ScaleLayer(1.75)"),
        ("there is a last one", "there is a last 1"),
        ("i + 7", "i + 8"),
        ("//INLINE", "#[inline(never)]"),
    ];
    for (from, to) in cases {
        let changed = RUST.replace(from, to);
        assert_ne!(changed, RUST);
        assert!(
            !list_changes(&before, &compile_rust(&changed)).is_empty(),
            "{from}"
        );
    }
}

#[test]
fn functions_looked_up_by_name_are_unknown() {
    let source = "#include <dlfcn.h>\n__attribute__((noinline)) static void *find(void) \
        { return dlsym(0, \"cos\"); }\ndouble run(double x) \
        { return ((double (*)(double))find())(x); }";
    let by_name = compile_c(source);
    assert!(
        matches!(compare_run(&by_name, &by_name), CodeSameness::Unknown(_)),
        "{:?}",
        compare_run(&by_name, &by_name)
    );
    // An unreachable instance is harmless.
    let unreached = compile_c(
        &format!("{source}\ndouble other(double x) {{ return x; }}")
            .replace("double run(", "double found(")
            .replace("double other(", "double run("),
    );
    assert_same(&unreached, &unreached);
}

#[test]
fn alignment_is_read_from_the_functions_of_the_table() {
    let source = "#include <stddef.h>
int one(void) { return 1; }
int two(int n) { return n * 3 + one(); }
int three(int n) { return n + two(n); }
void *const orch_plugin_v1[] = {(void *)one, (void *)two, (void *)three};
";
    let aligned = |flags: &[&str]| {
        has_aligned_functions(&compile_c_with(&[&["-fno-inline"], flags].concat(), source))
    };
    assert_eq!(aligned(&["-falign-functions=64"]), Some(true));
    assert_eq!(aligned(&["-falign-functions=16"]), Some(false));
    assert_eq!(has_aligned_functions(&compile_c("int other;")), None);
    assert_eq!(has_aligned_functions(b"no library"), None);
}
