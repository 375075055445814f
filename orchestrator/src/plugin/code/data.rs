//! Comparison of data: bytes by value, pointers by their targets.

use super::function::ReferenceSpan;
use super::image::{LibraryImage, Relocation};
use super::tables::{ByteView, SectionContent};
use super::walk::CodeWalk;

/// Length of a `core::panic::Location` on 64-bit targets: pointer to and length of a file name,
/// line, column.
const LOCATION: u64 = 24;
/// Longest text that is accepted as a file name.
const LONGEST_NAME: u64 = 4096;
/// Largest gap between objects that alignment explains.
const PADDING: u64 = 64;

/// Contents, and the address at which their relocations are looked up.
#[derive(Clone, Copy)]
struct DataContents<'d> {
    view: ByteView<'d>,
    address: u64,
}

impl<'d> CodeWalk<'_, 'd> {
    /// Returns whether the data that `span` covers are the same at both addresses.
    pub(super) fn match_data(&mut self, a: u64, b: u64, span: ReferenceSpan, owner: u64) -> bool {
        let (Some(at_a), Some(at_b)) = (self.a.find_section(a), self.b.find_section(b)) else {
            return false;
        };
        let (Some(of_a), Some(of_b)) = (self.a.find_extent(a), self.b.find_extent(b)) else {
            return false;
        };
        if at_a.constant != at_b.constant {
            return false;
        }
        // The identity of a variable matters as much as its initial value.
        if !at_a.constant && !self.match_variables((false, of_a.0), (false, of_b.0)) {
            return false;
        }
        if !at_a.constant && of_a.2 && of_b.2 && a - of_a.0 != b - of_b.0 {
            return false;
        }
        if let ReferenceSpan::Bytes(len) = span {
            return self.match_stretches(a, b, len, len, owner);
        }
        // If only one build has a symbol, the object of the other begins at the same distance
        // before the address.
        let offset = match (of_a, of_b) {
            ((start_a, _, true), (start_b, _, true)) if a - start_a != b - start_b => return false,
            ((start_a, _, true), _) => a - start_a,
            (_, (start_b, _, _)) => b - start_b,
        };
        let (Some(start_a), Some(start_b)) = (a.checked_sub(offset), b.checked_sub(offset)) else {
            return false;
        };
        let (len_a, len_b) = (of_a.1 - start_a, of_b.1 - start_b);
        if of_a.2 && of_b.2 && len_a != len_b {
            return false;
        }
        self.match_stretches(start_a, start_b, len_a, len_b, owner)
    }

    /// Returns whether two objects are the same. Only a maximum length of each is known, because
    /// padding may follow them.
    fn match_stretches(&mut self, a: u64, b: u64, len_a: u64, len_b: u64, owner: u64) -> bool {
        let (short, long) = (len_a.min(len_b), len_a.max(len_b));
        let both = |len| Some((self.a.view_bytes(a, len)?, self.b.view_bytes(b, len)?));
        let Some((view_a, view_b)) = both(short) else {
            return false;
        };
        let contents = |view, address| DataContents { view, address };
        if !self.match_contents(contents(view_a, a), contents(view_b, b), owner) {
            return false;
        }
        if short == long {
            return true;
        }
        let (image, start) = if len_a > len_b {
            (self.a, a)
        } else {
            (self.b, b)
        };
        let more = image
            .view_bytes(start, long)
            .is_some_and(|view| view.is_zero(short, long));
        let pointers = image
            .list_relocations_in(start + short, start + long)
            .next()
            .is_some();
        if more && !pointers && long - short < PADDING {
            return true;
        }
        // In one of the builds, another reference may point into the middle of the object.
        let (rest_a, rest_b) = (a + short, b + short);
        let rest = (
            self.a.view_bytes(rest_a, long - short),
            self.b.view_bytes(rest_b, long - short),
        );
        let (Some(view_a), Some(view_b)) = rest else {
            return false;
        };
        self.match_contents(contents(view_a, rest_a), contents(view_b, rest_b), owner)
    }

    fn match_contents(&mut self, a: DataContents<'d>, b: DataContents<'d>, owner: u64) -> bool {
        let len = a.view.len();
        let Some(mut done) = self.match_tables(a, b, owner) else {
            return false;
        };
        let pointers =
            |image: &LibraryImage<'d>, contents: DataContents<'d>| -> Vec<(u64, Relocation<'d>)> {
                let end = contents.address.saturating_add(len);
                let all = image.list_relocations_in(contents.address, end);
                all.map(|(place, relocation)| (place - contents.address, relocation))
                    .collect()
            };
        let (in_a, in_b) = (pointers(self.a, a), pointers(self.b, b));
        if in_a.len() != in_b.len() {
            return false;
        }
        for ((offset, to_a), (offset_b, to_b)) in in_a.into_iter().zip(in_b) {
            if offset != offset_b || offset < done || !a.view.has_same_bytes(b.view, done, offset) {
                return false;
            }
            let both_locations =
                is_location(self.a, a.address + offset) && is_location(self.b, b.address + offset);
            if both_locations && offset + LOCATION <= len {
                // The source location of a panic does not affect what the code does.
                done = offset + LOCATION;
                continue;
            }
            let (to_a, to_b) = (
                self.a.interpret_relocation(to_a),
                self.b.interpret_relocation(to_b),
            );
            if !self.match_references(to_a, to_b, ReferenceSpan::Whole, owner) {
                return false;
            }
            done = (offset + 8).min(len);
        }
        a.view.has_same_bytes(b.view, done, len)
    }

    /// Compares tables of distances by their targets. Returns the number of bytes compared, or
    /// `None` if they differ.
    fn match_tables(
        &mut self,
        a: DataContents<'d>,
        b: DataContents<'d>,
        owner: u64,
    ) -> Option<u64> {
        let (in_a, in_b) = (
            self.a.sweep.find_table(a.address),
            self.b.sweep.find_table(b.address),
        );
        let table = match (in_a, in_b) {
            (Some(in_a), Some(in_b)) if in_a == in_b && in_a.entries * 4 <= a.view.len() => in_a,
            // Unless both builds have the same table, the distances themselves are compared, which
            // is stricter.
            _ => return Some(0),
        };
        let entries = |contents: DataContents<'d>| contents.view.bytes().as_chunks::<4>().0.iter();
        for (entry_a, entry_b) in entries(a)
            .zip(entries(b))
            .take(usize::try_from(table.entries).ok()?)
        {
            let lead = |from: u64, entry: &[u8; 4]| {
                from.wrapping_add_signed(i64::from(i32::from_le_bytes(*entry)))
            };
            let (to_a, to_b) = (
                self.a.interpret_address(lead(a.address, entry_a)),
                self.b.interpret_address(lead(b.address, entry_b)),
            );
            if !self.match_references(to_a, to_b, ReferenceSpan::Whole, owner) {
                return None;
            }
        }
        Some(table.entries * 4)
    }

    /// Returns whether two thread-locals have the same initial contents.
    pub(super) fn match_thread_locals(&mut self, a: u64, b: u64, owner: u64) -> bool {
        let (Some((of_a, view_a, address_a)), Some((of_b, view_b, address_b))) =
            (self.a.find_thread_local(a), self.b.find_thread_local(b))
        else {
            self.note_unclear("a thread-local without a name");
            return true;
        };
        let same_place = self.match_variables((true, of_a.start), (true, of_b.start))
            && a - of_a.start == b - of_b.start;
        let (a, b) = (
            DataContents {
                view: view_a,
                address: address_a,
            },
            DataContents {
                view: view_b,
                address: address_b,
            },
        );
        if !same_place || view_a.len() != view_b.len() || view_a.is_stored() != view_b.is_stored() {
            return false;
        }
        // Data that are not stored have addresses that belong to something else, whose relocations
        // do not count here.
        !view_a.is_stored() || self.match_contents(a, b, owner)
    }

    /// Returns whether all thread-locals have the same initial contents. If code reaches several of
    /// them from one address, it does not show which ones it uses.
    pub(super) fn match_thread_blocks(&mut self, owner: u64) -> bool {
        let (Some((view_a, address_a)), Some((view_b, address_b))) =
            (self.a.view_thread_block(), self.b.view_thread_block())
        else {
            return false;
        };
        let (a, b) = (
            DataContents {
                view: view_a,
                address: address_a,
            },
            DataContents {
                view: view_b,
                address: address_b,
            },
        );
        view_a.len() == view_b.len() && self.match_contents(a, b, owner)
    }
}

/// Returns whether a `core::panic::Location` lies at `address`, recognised by its form: a pointer
/// to a text that ends in `.rs` and its length, then a line and a column, all constant. Both builds
/// must have one at the same place. It is not checked that the code only passes it on to a panic:
/// `Location::caller()` can read it, but a program hardly ever decides by it.
fn is_location(image: &LibraryImage, address: u64) -> bool {
    let constant_data = |address: u64| {
        image
            .find_section(address)
            .is_some_and(|section| section.constant && section.holds == SectionContent::Data)
    };
    let Some(end) = address.checked_add(LOCATION) else {
        return false;
    };
    let Some(Relocation::Here(name)) = image.find_relocation(address) else {
        return false;
    };
    if !constant_data(address)
        || !constant_data(name)
        || image.list_relocations_in(address + 1, end).next().is_some()
    {
        return false;
    }
    let (Some(len), Some(position)) = (
        image.read_number(address + 8),
        image.read_number(address + 16),
    ) else {
        return false;
    };
    if !(1..=LONGEST_NAME).contains(&len) {
        return false;
    }
    let Some(name) = image
        .view_bytes(name, len)
        .and_then(|view| std::str::from_utf8(view.bytes()).ok())
    else {
        return false;
    };
    let (line, column) = (position & 0xffff_ffff, position >> 32);
    name.ends_with(".rs") && !name.chars().any(char::is_control) && line > 0 && column > 0
}
