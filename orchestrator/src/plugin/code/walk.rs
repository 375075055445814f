//! The parallel walk over the reachable code of two builds.

use super::function::{CodeReference, DecodedFunction, ReferenceSpan, split_reference};
use super::image::{AddressTarget, LibraryImage};
use super::shape::compute_shape;
use super::tables::ImageSymbol;
use super::{CodeChange, CodeChangeKind, CodeSameness, CodeShape, demangle, demangle_shown};
use std::cell::OnceCell;
use std::collections::{HashMap, HashSet, VecDeque};
use std::rc::Rc;

/// Maximum number of comparisons. A library has thousands; the limit ends the walk through a broken
/// one.
const MOST_TASKS: usize = 1_000_000;
/// Maximum number of bytes of code to decode, for the same reason.
const MOST_CODE: u64 = 1 << 30;

/// A pair of objects to compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum ComparisonTask {
    /// Functions, by begin.
    Code(u64, u64),
    /// Data.
    Data(u64, u64, ReferenceSpan),
    /// Thread-locals, by offset in their block.
    Threads(u64, u64),
    /// All thread-locals.
    ThreadBlocks,
}

/// A variable: whether it is thread-local, and its place.
type VariableKey = (bool, u64);

/// State of a walk.
pub(super) struct CodeWalk<'i, 'd> {
    pub(super) a: &'i LibraryImage<'d>,
    pub(super) b: &'i LibraryImage<'d>,
    code_a: HashMap<u64, Option<Rc<DecodedFunction>>>,
    code_b: HashMap<u64, Option<Rc<DecodedFunction>>>,
    decoded: u64,
    /// Tasks, each with the function of `a` that led to it.
    queue: VecDeque<(ComparisonTask, u64)>,
    seen: HashSet<ComparisonTask>,
    /// Mapping of variables from one build to the other, in both directions.
    variables: (
        HashMap<VariableKey, VariableKey>,
        HashMap<VariableKey, VariableKey>,
    ),
    /// Length of each compared function of `a`.
    compared: HashMap<u64, u64>,
    /// Names of all functions, computed on demand.
    names: (OnceCell<HashSet<String>>, OnceCell<HashSet<String>>),
    changes: Vec<CodeChange>,
    why_unclear: Option<String>,
}

/// Functions that look up others by name. The library shows neither the places nor the effects of
/// the functions found.
const LOOKUPS: [&str; 4] = ["dlopen", "dlmopen", "dlsym", "dlvsym"];

/// Compares the code reachable from corresponding functions.
pub(super) fn walk_builds(
    a: &LibraryImage,
    b: &LibraryImage,
    roots_a: &[u64],
    roots_b: &[u64],
) -> CodeSameness {
    let mut walk = CodeWalk {
        a,
        b,
        code_a: HashMap::new(),
        code_b: HashMap::new(),
        decoded: 0,
        queue: VecDeque::new(),
        seen: HashSet::new(),
        variables: (HashMap::new(), HashMap::new()),
        compared: HashMap::new(),
        names: (OnceCell::new(), OnceCell::new()),
        changes: Vec::new(),
        why_unclear: None,
    };
    for (root_a, root_b) in roots_a.iter().zip(roots_b) {
        walk.add_root(*root_a, *root_b);
    }
    // Code that runs at load time may prepare data that the workload reads.
    let (early_a, early_b) = (a.list_initialisers(), b.list_initialisers());
    if early_a.len() != early_b.len() {
        walk.note_unclear("the libraries run different numbers of functions on loading");
    }
    for (early_a, early_b) in early_a.into_iter().zip(early_b) {
        walk.add_root(early_a, early_b);
    }
    while let Some((task, owner)) = walk.queue.pop_front() {
        if walk.seen.len() > MOST_TASKS || walk.decoded > MOST_CODE {
            walk.note_unclear("the libraries are too large");
            break;
        }
        walk.perform_task(task, owner);
    }
    walk.into_result()
}

impl<'d> CodeWalk<'_, 'd> {
    fn add_root(&mut self, a: u64, b: u64) {
        match (self.a.interpret_address(a), self.b.interpret_address(b)) {
            (AddressTarget::Code(of_a, at_a), AddressTarget::Code(of_b, at_b))
                if of_a.start == at_a && of_b.start == at_b =>
            {
                self.queue_task(ComparisonTask::Code(at_a, at_b), at_a);
            }
            _ => self.note_unclear(&format!("no function begins at {a:#x} or {b:#x}")),
        }
    }

    fn into_result(self) -> CodeSameness {
        if !self.changes.is_empty() {
            return CodeSameness::Changed(self.changes);
        }
        if let Some(why) = self.why_unclear {
            return CodeSameness::Unknown(why);
        }
        CodeSameness::Same {
            functions: self.compared.len(),
            bytes: self
                .compared
                .values()
                .fold(0, |sum, bytes| sum.saturating_add(*bytes)),
        }
    }

    fn queue_task(&mut self, task: ComparisonTask, owner: u64) {
        if self.seen.insert(task) {
            self.queue.push_back((task, owner));
        }
    }

    fn perform_task(&mut self, task: ComparisonTask, owner: u64) {
        let same = match task {
            ComparisonTask::Code(a, b) => return self.compare_functions(a, b),
            ComparisonTask::Data(a, b, span) => self.match_data(a, b, span, owner),
            ComparisonTask::Threads(a, b) => self.match_thread_locals(a, b, owner),
            ComparisonTask::ThreadBlocks => self.match_thread_blocks(owner),
        };
        if same {
            return;
        }
        let object = match task {
            ComparisonTask::Data(a, _, _) => self.a.objects.find_covering(a),
            _ => None,
        };
        // Compilers number their own constants. Such names are less informative than the name of
        // the function that uses them.
        let named = object
            .filter(|object| !object.name.starts_with("anon.") && !object.name.starts_with('.'));
        let symbol = named.or_else(|| self.a.functions.find_covering(owner));
        let function = symbol.map_or_else(|| format!("{owner:#x}"), |symbol| demangle(symbol.name));
        self.note_change(CodeChange {
            function,
            kind: CodeChangeKind::Data,
            a: None,
            b: None,
        });
    }

    fn note_change(&mut self, change: CodeChange) {
        if !self.changes.contains(&change) {
            self.changes.push(change);
        }
    }

    /// Records that something cannot be determined. Only the first reason is kept.
    pub(super) fn note_unclear(&mut self, why: &str) {
        self.why_unclear.get_or_insert_with(|| why.to_owned());
    }

    /// Records that two variables correspond; returns false if earlier correspondences exclude
    /// this.
    pub(super) fn match_variables(&mut self, a: VariableKey, b: VariableKey) -> bool {
        *self.variables.0.entry(a).or_insert(b) == b && *self.variables.1.entry(b).or_insert(a) == a
    }

    fn decode_a(&mut self, symbol: &ImageSymbol<'d>) -> Option<Rc<DecodedFunction>> {
        Self::decode_function(self.a, &mut self.code_a, &mut self.decoded, symbol)
    }

    fn decode_b(&mut self, symbol: &ImageSymbol<'d>) -> Option<Rc<DecodedFunction>> {
        Self::decode_function(self.b, &mut self.code_b, &mut self.decoded, symbol)
    }

    fn decode_function(
        image: &LibraryImage<'d>,
        known: &mut HashMap<u64, Option<Rc<DecodedFunction>>>,
        decoded: &mut u64,
        symbol: &ImageSymbol<'d>,
    ) -> Option<Rc<DecodedFunction>> {
        let decode = || {
            *decoded = decoded.saturating_add(symbol.end - symbol.start);
            image.decode_function(symbol).map(Rc::new)
        };
        known.entry(symbol.start).or_insert_with(decode).clone()
    }

    fn compare_functions(&mut self, a: u64, b: u64) {
        let (Some(symbol_a), Some(symbol_b)) = (
            self.a.functions.find_covering(a),
            self.b.functions.find_covering(b),
        ) else {
            return self.note_unclear("a function without a symbol");
        };
        let (Some(code_a), Some(code_b)) = (self.decode_a(&symbol_a), self.decode_b(&symbol_b))
        else {
            return self.note_unclear(&format!(
                "the code of `{}` cannot be decoded",
                demangle_shown(symbol_a.name)
            ));
        };
        self.compared.insert(a, symbol_a.end - symbol_a.start);
        let mut same = false;
        if let Some(references) = pair_references(&code_a, &code_b) {
            // All references are checked, so that a later change is reported too.
            same = references.into_iter().fold(true, |same, (to_a, to_b)| {
                let (at_a, at_b) = (
                    self.a.interpret_address(to_a.address),
                    self.b.interpret_address(to_b.address),
                );
                self.match_references(at_a, at_b, to_a.span, a) && same
            });
        }
        if !same {
            let (a, b) = (Some(compute_shape(&code_a)), Some(compute_shape(&code_b)));
            self.note_change(CodeChange {
                function: demangle_shown(symbol_a.name),
                kind: CodeChangeKind::Different,
                a,
                b,
            });
            self.compare_callees(&code_a, &code_b);
        }
    }

    /// Returns whether two references are of the same kind, and queues their targets for
    /// comparison.
    pub(super) fn match_references(
        &mut self,
        a: AddressTarget<'d>,
        b: AddressTarget<'d>,
        span: ReferenceSpan,
        owner: u64,
    ) -> bool {
        match (a, b) {
            (AddressTarget::Slot(a), AddressTarget::Slot(b)) => self.join_slots(a, b, span, owner),
            (AddressTarget::Code(of_a, at_a), AddressTarget::Code(of_b, at_b)) => {
                self.queue_task(ComparisonTask::Code(of_a.start, of_b.start), of_a.start);
                (at_a == of_a.start && at_b == of_b.start)
                    || self.is_same_index((of_a, at_a), (of_b, at_b))
            }
            (AddressTarget::Data(a), AddressTarget::Data(b)) => {
                self.queue_task(ComparisonTask::Data(a, b, span), owner);
                true
            }
            (AddressTarget::Thread(a), AddressTarget::Thread(b)) => {
                self.queue_task(ComparisonTask::Threads(a, b), owner);
                true
            }
            (AddressTarget::Chosen(a), AddressTarget::Chosen(b)) => {
                match (self.a.interpret_address(a), self.b.interpret_address(b)) {
                    (a @ AddressTarget::Code(..), b @ AddressTarget::Code(..)) => {
                        self.match_references(a, b, span, owner)
                    }
                    _ => false,
                }
            }
            (AddressTarget::Unclear(_), _) | (_, AddressTarget::Unclear(_)) => {
                let by = self
                    .a
                    .functions
                    .find_covering(owner)
                    .map_or_else(String::new, |it| demangle(it.name));
                self.note_unclear(&format!(
                    "`{by}` refers to an address that belongs to no known code or data"
                ));
                true
            }
            (AddressTarget::Import(name, _), _)
                if LOOKUPS.contains(&name) && !self.is_standard(owner) =>
            {
                self.note_unclear(&format!(
                    "functions are looked up by name at run time (`{name}`)"
                ));
                a == b
            }
            (a, b) => a == b,
        }
    }

    /// Returns whether a function of `a` belongs to Rust's standard library, which uses lookups
    /// only to find features of the C library.
    fn is_standard(&self, function: u64) -> bool {
        let name = self
            .a
            .functions
            .find_covering(function)
            .map(|symbol| demangle(symbol.name))
            .unwrap_or_default();
        ["std::", "<std::"]
            .iter()
            .any(|beginning| name.starts_with(beginning))
    }

    fn join_slots(&mut self, a: u64, b: u64, span: ReferenceSpan, owner: u64) -> bool {
        let next = (
            self.a.find_pointee(a.saturating_add(8)),
            self.b.find_pointee(b.saturating_add(8)),
        );
        match (self.a.find_pointee(a), self.b.find_pointee(b)) {
            (AddressTarget::Slot(_), _) | (_, AddressTarget::Slot(_)) => {
                self.note_unclear("a pointer to a pointer that the loader fills in");
                true
            }
            (AddressTarget::Module(None), AddressTarget::Module(None)) => match next {
                // Offset 0 is either the first thread-local, or the whole block, to which the code
                // adds offsets itself.
                (AddressTarget::Number(0), AddressTarget::Number(0)) => {
                    self.queue_task(ComparisonTask::ThreadBlocks, owner);
                    true
                }
                (
                    AddressTarget::Number(a) | AddressTarget::Thread(a),
                    AddressTarget::Number(b) | AddressTarget::Thread(b),
                ) => {
                    self.queue_task(ComparisonTask::Threads(a, b), owner);
                    true
                }
                _ => false,
            },
            (AddressTarget::Module(a), AddressTarget::Module(b)) => a == b && next.0 == next.1,
            (a @ AddressTarget::Thread(_), b @ AddressTarget::Thread(_)) => {
                self.match_references(a, b, ReferenceSpan::Whole, owner)
            }
            // The code takes the address of a slot and not its contents, so it may reach anything
            // from there.
            _ if span == ReferenceSpan::Whole => {
                self.note_unclear("the address of a pointer that the loader fills in");
                true
            }
            (a, b) => self.match_references(a, b, ReferenceSpan::Whole, owner),
        }
    }

    /// Returns whether two addresses in functions belong to corresponding instructions.
    fn is_same_index(&mut self, a: (ImageSymbol<'d>, u64), b: (ImageSymbol<'d>, u64)) -> bool {
        let (Some(code_a), Some(code_b)) = (self.decode_a(&a.0), self.decode_b(&b.0)) else {
            return false;
        };
        match (code_a.find_index(a.1), code_b.find_index(b.1)) {
            (Some(a), Some(b)) => a == b,
            _ => false,
        }
    }

    fn list_names_a(&self) -> &HashSet<String> {
        self.names.0.get_or_init(|| collect_names(self.a))
    }

    fn list_names_b(&self) -> &HashSet<String> {
        self.names.1.get_or_init(|| collect_names(self.b))
    }

    /// Compares the callees of functions that differ. They are matched by name, because their
    /// positions do not correspond.
    fn compare_callees(&mut self, a: &DecodedFunction, b: &DecodedFunction) {
        let (in_a, in_b) = (list_callees(self.a, a), list_callees(self.b, b));
        for (name, symbol_a) in &in_a {
            match in_b.iter().find(|(other, _)| other == name) {
                Some((_, symbol_b)) => self.queue_task(
                    ComparisonTask::Code(symbol_a.start, symbol_b.start),
                    symbol_a.start,
                ),
                None if self.list_names_b().contains(name) => {}
                None => {
                    let shape = self.decode_a(symbol_a).map(|code| compute_shape(&code));
                    self.note_function(name, CodeChangeKind::Removed, shape, None);
                }
            }
        }
        for (name, symbol_b) in &in_b {
            if !in_a.iter().any(|(other, _)| other == name) && !self.list_names_a().contains(name) {
                let shape = self.decode_b(symbol_b).map(|code| compute_shape(&code));
                self.note_function(name, CodeChangeKind::Added, None, shape);
            }
        }
    }

    fn note_function(
        &mut self,
        name: &str,
        kind: CodeChangeKind,
        a: Option<CodeShape>,
        b: Option<CodeShape>,
    ) {
        self.note_change(CodeChange {
            function: name.to_owned(),
            kind,
            a,
            b,
        });
    }
}

/// Pairs the references of two functions in order; `None` if the functions differ otherwise.
fn pair_references(
    a: &DecodedFunction,
    b: &DecodedFunction,
) -> Option<Vec<(CodeReference, CodeReference)>> {
    if a.instructions.len() != b.instructions.len() {
        return None;
    }
    let mut references = Vec::new();
    for (instruction_a, instruction_b) in a.instructions.iter().zip(&b.instructions) {
        let ((rest_a, to_a), (rest_b, to_b)) = (
            split_reference(instruction_a),
            split_reference(instruction_b),
        );
        if rest_a != rest_b {
            return None;
        }
        match (to_a, to_b) {
            (None, None) => {}
            (Some(to_a), Some(to_b)) if a.contains(to_a.address) || b.contains(to_b.address) => {
                if !(a.contains(to_a.address) && b.contains(to_b.address)) {
                    return None;
                }
                if a.find_index(to_a.address)? != b.find_index(to_b.address)? {
                    return None;
                }
            }
            (Some(to_a), Some(to_b)) => references.push((to_a, to_b)),
            _ => return None,
        }
    }
    if a.falls_through() {
        let end = |function: &DecodedFunction| CodeReference {
            address: function.end,
            span: ReferenceSpan::Whole,
        };
        references.push((end(a), end(b)));
    }
    Some(references)
}

/// Lists the functions that a function refers to, by name, without duplicates.
fn list_callees<'d>(
    image: &LibraryImage<'d>,
    function: &DecodedFunction,
) -> Vec<(String, ImageSymbol<'d>)> {
    let mut known = HashSet::new();
    let mut found = Vec::new();
    for reference in function
        .instructions
        .iter()
        .filter_map(|instruction| split_reference(instruction).1)
    {
        let place = match image.interpret_address(reference.address) {
            AddressTarget::Slot(slot) => image.find_pointee(slot),
            place => place,
        };
        if let AddressTarget::Code(symbol, _) = place
            && symbol.start != function.start
            && known.insert(symbol.start)
        {
            found.push((demangle(symbol.name), symbol));
        }
    }
    found
}

fn collect_names(image: &LibraryImage) -> HashSet<String> {
    image
        .functions
        .iter()
        .map(|symbol| demangle(symbol.name))
        .collect()
}
