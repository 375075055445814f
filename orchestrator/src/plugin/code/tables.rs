//! Sections and symbols, as tables that are searched by address.

/// Kind of contents of a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SectionContent {
    /// Functions.
    Code,
    /// Jumps to imported functions.
    Stubs,
    /// Addresses that the loader fills in, each on its own.
    Slots,
    /// Pointers to functions that run when the library is loaded.
    Initialisers,
    /// Anything else that is loaded.
    Data,
}

/// A section that is loaded into memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct ImageSection<'d> {
    pub(super) start: u64,
    pub(super) end: u64,
    /// Contents; empty if the section is all zeros.
    pub(super) bytes: &'d [u8],
    pub(super) holds: SectionContent,
    /// Whether nothing writes to the section after the library is loaded.
    pub(super) constant: bool,
}

/// A function or an object with a known length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ImageSymbol<'d> {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) name: &'d str,
}

/// Symbols, searchable by any address inside them.
#[derive(Debug, Default)]
pub(super) struct SymbolIndex<'d> {
    sorted: Vec<ImageSymbol<'d>>,
    /// Maximum end over each symbol and all symbols before it, because symbols may overlap.
    reach: Vec<u64>,
}

impl<'d> SymbolIndex<'d> {
    /// Builds the index. Of several symbols at one address, the longest is kept, and among equals
    /// the first by name.
    pub(super) fn new(mut symbols: Vec<ImageSymbol<'d>>) -> Self {
        symbols.retain(|symbol| symbol.start < symbol.end);
        symbols.sort_by_key(|symbol| (symbol.start, std::cmp::Reverse(symbol.end), symbol.name));
        symbols.dedup_by_key(|symbol| symbol.start);
        let mut furthest = 0;
        let reach = symbols.iter().map(|symbol| {
            furthest = symbol.end.max(furthest);
            furthest
        });
        Self {
            reach: reach.collect(),
            sorted: symbols,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &ImageSymbol<'d>> {
        self.sorted.iter()
    }

    /// Finds the symbol that covers an address; of several, the one that begins last.
    pub(super) fn find_covering(&self, address: u64) -> Option<ImageSymbol<'d>> {
        let before = self
            .sorted
            .partition_point(|symbol| symbol.start <= address);
        let candidates = self.sorted.iter().zip(&self.reach).take(before).rev();
        // A symbol with too short a reach shows that no symbol at or before it covers the address.
        candidates
            .take_while(|(_, reach)| **reach > address)
            .map(|(symbol, _)| *symbol)
            .find(|s| address < s.end)
    }
}

/// Bytes of a library, possibly zeros that are not stored in the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct ByteView<'d> {
    bytes: &'d [u8],
    len: u64,
}

impl<'d> ByteView<'d> {
    /// Returns `len` bytes of `section` from `address`; `None` if they are not all inside it.
    pub(super) fn new(section: &ImageSection<'d>, address: u64, len: u64) -> Option<Self> {
        let offset = address.checked_sub(section.start)?;
        if offset.checked_add(len)? > section.end - section.start {
            return None;
        }
        if section.bytes.is_empty() {
            return Some(Self { bytes: &[], len });
        }
        let offset = usize::try_from(offset).ok()?;
        let bytes = section
            .bytes
            .get(offset..)?
            .get(..usize::try_from(len).ok()?)?;
        Some(Self { bytes, len })
    }

    pub(super) fn zeros(len: u64) -> Self {
        Self { bytes: &[], len }
    }

    pub(super) fn len(self) -> u64 {
        self.len
    }

    /// Returns whether two ranges, given by offset, have the same contents.
    pub(super) fn has_same_bytes(self, other: Self, from: u64, to: u64) -> bool {
        match (self.view_part(from, to), other.view_part(from, to)) {
            (Some(a), Some(b)) if a.len() == b.len() => a == b,
            (Some([]), Some(bytes)) | (Some(bytes), Some([])) => {
                bytes.iter().all(|byte| *byte == 0)
            }
            _ => false,
        }
    }

    /// Returns whether a range, given by offset, is all zeros.
    pub(super) fn is_zero(self, from: u64, to: u64) -> bool {
        self.view_part(from, to)
            .is_some_and(|bytes| bytes.iter().all(|byte| *byte == 0))
    }

    /// Returns whether the bytes are stored in the file.
    pub(super) fn is_stored(self) -> bool {
        !self.bytes.is_empty()
    }

    /// Returns the bytes; empty if they are zeros that are not stored in the file.
    pub(super) fn bytes(self) -> &'d [u8] {
        self.bytes
    }

    fn view_part(self, from: u64, to: u64) -> Option<&'d [u8]> {
        if self.bytes.is_empty() {
            return (to <= self.len).then_some(&[]);
        }
        self.bytes
            .get(usize::try_from(from).ok()?..usize::try_from(to).ok()?)
    }
}
