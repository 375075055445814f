//! Begins of objects without a symbol, and the tables of distances among these objects, which
//! compilers emit for `switch`. One pass over all instructions and relocations of a library finds
//! them.

use super::function::{create_decoder, split_reference};
use super::image::{LibraryImage, Relocation};
use super::tables::{ImageSection, SectionContent};
use iced_x86::{Code, Mnemonic, Register};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// Facts about objects without a symbol.
#[derive(Debug, Default)]
pub(super) struct TableSweep {
    /// Addresses that anything refers to, in order.
    cuts: Vec<u64>,
    tables: BTreeMap<u64, OffsetTable>,
}

/// A table of 32-bit distances from its own begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct OffsetTable {
    pub(super) entries: u64,
    /// Whether the distances lead to code, as in the table of a `switch`; otherwise they lead to
    /// data, as in a `match` that returns texts.
    pub(super) to_code: bool,
}

impl TableSweep {
    /// Finds the first address after `address` that anything refers to.
    pub(super) fn find_next_cut(&self, address: u64) -> Option<u64> {
        self.cuts
            .get(self.cuts.partition_point(|cut| *cut <= address))
            .copied()
    }

    #[cfg(test)]
    pub(super) fn tables(&self) -> impl Iterator<Item = (u64, OffsetTable)> {
        self.tables
            .iter()
            .map(|(address, table)| (*address, *table))
    }

    pub(super) fn find_table(&self, address: u64) -> Option<OffsetTable> {
        self.tables.get(&address).copied()
    }
}

/// Addresses that may be the begin of a table.
#[derive(Default)]
struct TableCandidates {
    /// Addresses in a register that is used as the begin of a table.
    sure: HashSet<u64>,
    /// Addresses anywhere in a function that uses tables, because registers are moved and stored;
    /// with the begin and end of the function.
    possible: BTreeSet<(u64, u64, u64)>,
}

/// Scans a whole library; `labels` are the addresses of its symbols.
pub(super) fn sweep_library(image: &LibraryImage, labels: Vec<u64>) -> TableSweep {
    let mut cuts = labels;
    cuts.extend(
        image
            .relocations()
            .iter()
            .filter_map(|(_, relocation)| match relocation {
                Relocation::Here(address) => Some(*address),
                _ => None,
            }),
    );
    let mut candidates = TableCandidates::default();
    for section in image
        .sections()
        .iter()
        .filter(|section| section.holds == SectionContent::Code)
    {
        // The scan goes from function to function, because the bytes in between may not be code.
        let starts = image.functions.iter().map(|function| function.start);
        let mut starts: Vec<u64> = starts
            .filter(|start| (section.start..section.end).contains(start))
            .collect();
        starts.insert(0, section.start);
        let ends = starts.iter().skip(1).chain([&section.end]);
        for (start, end) in starts.iter().zip(ends) {
            scan_stretch(section, *start, *end, &mut cuts, &mut candidates);
        }
    }
    cuts.sort_unstable();
    cuts.dedup();
    let mut sweep = TableSweep {
        cuts,
        tables: BTreeMap::new(),
    };
    let mut more_cuts = Vec::new();
    for (address, start, end) in candidates.possible {
        if sweep.tables.contains_key(&address) {
            continue;
        }
        let Some(words) = TableWords::read(image, &sweep, address) else {
            continue;
        };
        let sure = candidates.sure.contains(&address);
        let to_data = || {
            if sure {
                words.accept_data_table(image, &mut more_cuts)
            } else {
                None
            }
        };
        if let Some(table) = words.accept_code_table(image, start, end).or_else(to_data) {
            sweep.tables.insert(address, table);
        }
    }
    sweep.cuts.extend(more_cuts);
    sweep.cuts.sort_unstable();
    sweep.cuts.dedup();
    sweep
}

/// Collects facts from the code between two addresses of a section.
fn scan_stretch(
    section: &ImageSection,
    start: u64,
    end: u64,
    cuts: &mut Vec<u64>,
    candidates: &mut TableCandidates,
) {
    let offset = |address: u64| usize::try_from(address - section.start).ok();
    let (Some(from), Some(to)) = (offset(start), offset(end)) else {
        return;
    };
    let Some(bytes) = section.bytes.get(from..to) else {
        return;
    };
    let mut taken: HashMap<Register, Vec<u64>> = HashMap::new();
    let mut bases = Vec::new();
    for instruction in &mut create_decoder(bytes, start) {
        if instruction.is_ip_rel_memory_operand() {
            if let (_, Some(reference)) = split_reference(&instruction) {
                cuts.push(reference.address);
            }
            if instruction.mnemonic() == Mnemonic::Lea {
                taken
                    .entry(instruction.op0_register())
                    .or_default()
                    .push(instruction.ip_rel_memory_address());
            }
        }
        let scaled =
            instruction.memory_index_scale() == 4 && instruction.memory_index() != Register::None;
        if instruction.code() == Code::Movsxd_r64_rm32 && scaled {
            bases.push(instruction.memory_base());
        }
    }
    if !bases.is_empty() {
        candidates
            .sure
            .extend(bases.iter().filter_map(|base| taken.get(base)).flatten());
        let all = taken
            .values()
            .flatten()
            .filter(|address| address.is_multiple_of(4));
        candidates
            .possible
            .extend(all.map(|address| (*address, start, end)));
    }
}

/// Words that may form a table.
struct TableWords<'d> {
    address: u64,
    /// The furthest possible end of the table.
    end: u64,
    bytes: &'d [u8],
}

impl<'d> TableWords<'d> {
    fn read(image: &LibraryImage<'d>, sweep: &TableSweep, address: u64) -> Option<Self> {
        let section = image
            .find_section(address)
            .filter(|section| section.constant && section.holds == SectionContent::Data)?;
        let end = match image.objects.find_covering(address) {
            Some(object) if object.start != address => return None,
            Some(object) => object.end,
            None => sweep.find_next_cut(address).unwrap_or(section.end),
        };
        let end = end.min(section.end);
        Some(Self {
            address,
            end,
            bytes: image
                .view_bytes(address, end.checked_sub(address)?)?
                .bytes(),
        })
    }

    /// Interprets the words as distances and returns their targets.
    fn list_targets(&self) -> impl Iterator<Item = u64> {
        let distances = self
            .bytes
            .as_chunks::<4>()
            .0
            .iter()
            .map(|word| i64::from(i32::from_le_bytes(*word)));
        distances.map(|distance| self.address.wrapping_add_signed(distance))
    }

    /// Accepts a table whose distances lead into the function that uses it. Other numbers hardly
    /// ever do.
    fn accept_code_table(&self, image: &LibraryImage, start: u64, end: u64) -> Option<OffsetTable> {
        // gcc moves unlikely parts of a function away from it.
        let cold = |target| {
            image
                .functions
                .find_covering(target)
                .is_some_and(|function| function.name.contains(".cold"))
        };
        let entries = self
            .list_targets()
            .take_while(|target| (start..=end).contains(target) || cold(*target))
            .count();
        (entries > 0).then_some(OffsetTable {
            entries: entries as u64,
            to_code: true,
        })
    }

    /// Accepts a table whose distances lead to other constants. These constants may have no other
    /// reference.
    fn accept_data_table(&self, image: &LibraryImage, cuts: &mut Vec<u64>) -> Option<OffsetTable> {
        let outside = |target: &u64| {
            let section = image.find_section(*target);
            !(self.address..self.end).contains(target)
                && section.is_some_and(|section| {
                    section.constant && section.holds == SectionContent::Data
                })
        };
        let targets: Vec<u64> = self.list_targets().take_while(outside).collect();
        cuts.extend(&targets);
        (!targets.is_empty()).then_some(OffsetTable {
            entries: targets.len() as u64,
            to_code: false,
        })
    }
}
