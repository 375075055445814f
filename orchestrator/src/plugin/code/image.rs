//! The relevant parts of an ELF file, and the meaning of addresses in it.

use super::CodeError;
use super::function::{DecodedFunction, create_decoder};
use super::sweep::{self, TableSweep};
use super::tables::{ByteView, ImageSection, ImageSymbol, SectionContent, SymbolIndex};
use object::elf;
use object::read::elf::{ElfFile64, FileHeader as _, ProgramHeader as _, SectionHeader as _};
use object::{
    LittleEndian, Object, ObjectSection, ObjectSymbol, RelocationFlags, RelocationTarget,
    SymbolKind,
};

/// Maximum distance within which the end of a text is searched.
const LONGEST_TEXT: usize = 4096;

/// Value that the loader writes to a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relocation<'d> {
    /// The address of a part of the library itself.
    Here(u64),
    /// The return value of the function at an address.
    Chosen(u64),
    /// The address of a symbol of another library.
    Import(&'d str, i64),
    /// The number of a library among those with thread-local data; with a name if it is another
    /// library.
    Module(Option<&'d str>),
    /// The distance to a thread-local of the library, by offset in its block.
    Thread(u64),
    /// An unsupported kind.
    Other(u32),
}

/// Meaning of an address or a pointer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AddressTarget<'d> {
    /// In a function: the function and the address.
    Code(ImageSymbol<'d>, u64),
    Data(u64),
    /// A pointer that the loader fills in.
    Slot(u64),
    Import(&'d str, i64),
    Chosen(u64),
    Module(Option<&'d str>),
    /// A thread-local, by offset in the library's block.
    Thread(u64),
    /// Not an address.
    Number(u64),
    /// The contents at the address are unknown.
    Unclear(u64),
}

/// A library.
pub(super) struct LibraryImage<'d> {
    sections: Vec<ImageSection<'d>>,
    pub(super) functions: SymbolIndex<'d>,
    pub(super) objects: SymbolIndex<'d>,
    threads: SymbolIndex<'d>,
    /// Initial contents of a thread's block.
    thread_block: Option<ImageSection<'d>>,
    /// Relocations, in order of place.
    relocations: Vec<(u64, Relocation<'d>)>,
    exported: Vec<ImageSymbol<'d>>,
    /// Addresses of the C runtime's own initialisers, which every library has.
    runtime: Vec<u64>,
    pub(super) sweep: TableSweep,
    /// Whether any part was written in Rust.
    has_rust: bool,
    obstacle: Option<String>,
}

impl<'d> LibraryImage<'d> {
    pub(super) fn parse(data: &'d [u8]) -> Result<Self, CodeError> {
        let file = ElfFile64::<LittleEndian>::parse(data)?;
        if file.elf_header().e_machine(LittleEndian) != elf::EM_X86_64 {
            return Err(CodeError::Processor);
        }
        let mut image = Self {
            sections: read_sections(&file)?,
            functions: SymbolIndex::default(),
            objects: SymbolIndex::default(),
            threads: SymbolIndex::default(),
            thread_block: read_thread_block(&file, data),
            relocations: read_relocations(&file)?,
            exported: list_symbols(file.dynamic_symbols(), SymbolKind::Data),
            runtime: Vec::new(),
            has_rust: file
                .symbols()
                .any(|symbol| symbol.name() == Ok("rust_eh_personality")),
            sweep: TableSweep::default(),
            obstacle: None,
        };
        let of_kind = |kind| {
            SymbolIndex::new(
                [
                    list_symbols(file.symbols(), kind),
                    list_symbols(file.dynamic_symbols(), kind),
                ]
                .concat(),
            )
        };
        image.functions = of_kind(SymbolKind::Text);
        image.objects = of_kind(SymbolKind::Data);
        image.threads = of_kind(SymbolKind::Tls);
        if file.symbols().next().is_none() {
            image.obstacle = Some("a library has no symbol table: it was stripped".to_owned());
        } else if image.functions.is_empty() || image.sections.is_empty() {
            image.obstacle = Some("a library names no functions".to_owned());
        } else {
            image.add_relative(&file)?;
            let runtime = file
                .symbols()
                .filter(|symbol| symbol.name() == Ok("frame_dummy"));
            image.runtime = runtime.map(|symbol| symbol.address()).collect();
            let of_block = |kind| matches!(kind, SymbolKind::Tls | SymbolKind::File);
            let labels = file
                .symbols()
                .filter(|symbol| !symbol.is_undefined() && !of_block(symbol.kind()));
            image.sweep =
                sweep::sweep_library(&image, labels.map(|symbol| symbol.address()).collect());
        }
        Ok(image)
    }

    /// Returns the reason why the library cannot be compared, if there is one.
    pub(super) fn obstacle(&self) -> Option<String> {
        self.obstacle.clone()
    }

    /// Finds the begin and end of an exported object.
    pub(super) fn find_exported(&self, name: &str) -> Option<(u64, u64)> {
        self.exported
            .iter()
            .find(|symbol| symbol.name == name)
            .map(|symbol| (symbol.start, symbol.end))
    }

    /// Adds the relocations of the packed form, whose addends are in the data.
    fn add_relative(&mut self, file: &ElfFile64<'d, LittleEndian>) -> Result<(), CodeError> {
        for section in file.elf_section_table().iter() {
            let Some(packed) = section.relr(LittleEndian, file.data())? else {
                continue;
            };
            for place in packed {
                if let Some(addend) = self.read_number(place) {
                    self.relocations.push((place, Relocation::Here(addend)));
                }
            }
        }
        self.relocations.sort_by_key(|(place, _)| *place);
        self.relocations.dedup_by_key(|(place, _)| *place);
        Ok(())
    }

    pub(super) fn sections(&self) -> &[ImageSection<'d>] {
        &self.sections
    }

    pub(super) fn relocations(&self) -> &[(u64, Relocation<'d>)] {
        &self.relocations
    }

    pub(super) fn find_section(&self, address: u64) -> Option<&ImageSection<'d>> {
        let before = self
            .sections
            .partition_point(|section| section.start <= address);
        self.sections
            .get(before.checked_sub(1)?)
            .filter(|section| address < section.end)
    }

    pub(super) fn view_bytes(&self, address: u64, len: u64) -> Option<ByteView<'d>> {
        ByteView::new(self.find_section(address)?, address, len)
    }

    pub(super) fn read_number(&self, address: u64) -> Option<u64> {
        let view = self.view_bytes(address, 8)?;
        Some(view.bytes().try_into().map_or(0, u64::from_le_bytes))
    }

    /// Lists the relocations with a place in `start..end`.
    pub(super) fn list_relocations_in(
        &self,
        start: u64,
        end: u64,
    ) -> impl Iterator<Item = (u64, Relocation<'d>)> {
        let from = self
            .relocations
            .partition_point(|(place, _)| *place < start);
        self.relocations
            .iter()
            .skip(from)
            .take_while(move |(place, _)| *place < end)
            .copied()
    }

    pub(super) fn find_relocation(&self, place: u64) -> Option<Relocation<'d>> {
        self.list_relocations_in(place, place.saturating_add(1))
            .next()
            .map(|(_, relocation)| relocation)
    }

    /// Finds the meaning of an address.
    pub(super) fn interpret_address(&self, address: u64) -> AddressTarget<'d> {
        match self.find_section(address).map(|section| section.holds) {
            None => AddressTarget::Unclear(address),
            Some(SectionContent::Data | SectionContent::Initialisers) => {
                AddressTarget::Data(address)
            }
            Some(SectionContent::Slots) => AddressTarget::Slot(address),
            Some(SectionContent::Code) => match self.functions.find_covering(address) {
                Some(function) => AddressTarget::Code(function, address),
                None => AddressTarget::Unclear(address),
            },
            Some(SectionContent::Stubs) => self
                .find_stub_slot(address)
                .map_or(AddressTarget::Unclear(address), |slot| {
                    self.find_pointee(slot)
                }),
        }
    }

    /// Finds the target of the pointer at `slot` after the library is loaded.
    pub(super) fn find_pointee(&self, slot: u64) -> AddressTarget<'d> {
        match self.find_relocation(slot) {
            Some(relocation) => self.interpret_relocation(relocation),
            None => self
                .read_number(slot)
                .map_or(AddressTarget::Unclear(slot), AddressTarget::Number),
        }
    }

    /// Interprets the target that a relocation writes to a place.
    pub(super) fn interpret_relocation(&self, relocation: Relocation<'d>) -> AddressTarget<'d> {
        match relocation {
            Relocation::Here(address) => self.interpret_address(address),
            Relocation::Chosen(address) => AddressTarget::Chosen(address),
            Relocation::Import(name, addend) => AddressTarget::Import(name, addend),
            Relocation::Module(name) => AddressTarget::Module(name),
            Relocation::Thread(offset) => AddressTarget::Thread(offset),
            Relocation::Other(_) => AddressTarget::Unclear(0),
        }
    }

    /// Finds the address of the function to which the pointer at `place` points.
    pub(super) fn find_function_behind(&self, place: u64) -> Option<u64> {
        match self.find_pointee(place) {
            AddressTarget::Code(_, address) => Some(address),
            _ => None,
        }
    }

    /// Finds the slot from which a stub takes its target.
    fn find_stub_slot(&self, address: u64) -> Option<u64> {
        let section = self.find_section(address)?;
        let bytes = section
            .bytes
            .get(usize::try_from(address - section.start).ok()?..)?;
        // A stub consists of an optional `endbr64` and the jump.
        let jump = create_decoder(bytes, address)
            .into_iter()
            .take(2)
            .find(|it| it.is_jmp_near_indirect())?;
        let slot = jump
            .is_ip_rel_memory_operand()
            .then(|| jump.ip_rel_memory_address())?;
        self.find_relocation(slot).map(|_| slot)
    }

    pub(super) fn decode_function(&self, symbol: &ImageSymbol<'d>) -> Option<DecodedFunction> {
        let view = self.view_bytes(symbol.start, symbol.end - symbol.start)?;
        view.is_stored()
            .then(|| DecodedFunction::decode(symbol, view.bytes()))?
    }

    /// Finds the begin and end of the object at `address`, and whether a symbol defines them.
    /// Without a symbol, the object is assumed to begin at the address and to reach to the next
    /// address that anything refers to.
    pub(super) fn find_extent(&self, address: u64) -> Option<(u64, u64, bool)> {
        let section = self.find_section(address)?;
        if let Some(object) = self
            .objects
            .find_covering(address)
            .filter(|object| object.end <= section.end)
        {
            return Some((object.start, object.end, true));
        }
        let end = self
            .sweep
            .find_next_cut(address)
            .unwrap_or(section.end)
            .min(section.end);
        Some((address, self.extend_text(section, address, end), false))
    }

    /// Extends the end of an object that was cut short in the middle of a text. Linkers share the
    /// ends of texts: "end" may be the end of "the end". Texts of Rust have no zero at their end
    /// and are never shared in this way.
    fn extend_text(&self, section: &ImageSection, address: u64, end: u64) -> u64 {
        let Some(view) = self.view_bytes(address, end - address) else {
            return end;
        };
        // Tables of numbers hardly ever look like text.
        let is_text = std::str::from_utf8(view.bytes()).is_ok_and(|text| !text.contains('\0'));
        if self.has_rust || !view.is_stored() || !is_text {
            return end;
        }
        let rest = self
            .view_bytes(end, section.end - end)
            .map_or(&[][..], ByteView::bytes);
        let more = rest.iter().take(LONGEST_TEXT).position(|byte| *byte == 0);
        more.map_or(end, |more| end + more as u64 + 1)
    }

    /// Finds a thread-local: its symbol, its initial contents, and their address.
    pub(super) fn find_thread_local(
        &self,
        offset: u64,
    ) -> Option<(ImageSymbol<'d>, ByteView<'d>, u64)> {
        let symbol = self.threads.find_covering(offset)?;
        let (view, address) = self.view_thread_bytes(symbol.start, symbol.end)?;
        Some((symbol, view, address))
    }

    /// Returns the initial contents of a thread's whole block, and their address.
    pub(super) fn view_thread_block(&self) -> Option<(ByteView<'d>, u64)> {
        let block = self.thread_block.as_ref()?;
        self.view_thread_bytes(0, block.bytes.len() as u64)
    }

    /// Returns the initial contents of a part of a thread's block.
    fn view_thread_bytes(&self, from: u64, to: u64) -> Option<(ByteView<'d>, u64)> {
        let block = self.thread_block.as_ref()?;
        let (len, filled) = (to.checked_sub(from)?, block.bytes.len() as u64);
        let view = match from >= filled {
            true => ByteView::zeros(len),
            // An object that is only partly in the file is not supported; compilers do not create
            // such objects.
            false => ByteView::new(
                &ImageSection {
                    start: 0,
                    end: filled,
                    ..*block
                },
                from,
                len,
            )?,
        };
        Some((view, block.start.checked_add(from)?))
    }

    /// Lists the functions that run when the library is loaded, without those of the C runtime.
    pub(super) fn list_initialisers(&self) -> Vec<u64> {
        let all = self
            .sections
            .iter()
            .filter(|section| section.holds == SectionContent::Initialisers);
        let places = all.flat_map(|section| self.list_relocations_in(section.start, section.end));
        let functions = places.filter_map(|(_, relocation)| match relocation {
            Relocation::Here(address) => Some(address),
            _ => None,
        });
        functions
            .filter(|address| !self.runtime.contains(address))
            .collect()
    }
}

type ElfImage<'d> = ElfFile64<'d, LittleEndian>;

fn read_sections<'d>(file: &ElfImage<'d>) -> Result<Vec<ImageSection<'d>>, CodeError> {
    let headers = file.elf_program_headers();
    let relro = headers
        .iter()
        .find(|header| header.p_type(LittleEndian) == elf::PT_GNU_RELRO);
    let relro = relro.map(|header| (header.p_vaddr(LittleEndian), header.p_memsz(LittleEndian)));
    let has = |section: &elf::SectionHeader64<LittleEndian>, flag: elf::SectionFlags| {
        section.sh_flags(LittleEndian).0 & flag.0 != 0
    };
    let mut sections = Vec::new();
    for section in file.sections() {
        let header = section.elf_section_header();
        if !has(header, elf::SHF_ALLOC) || has(header, elf::SHF_TLS) || section.size() == 0 {
            continue;
        }
        let (start, name) = (section.address(), section.name().unwrap_or_default());
        let Some(end) = start.checked_add(section.size()) else {
            continue;
        };
        let holds = match name {
            _ if name.starts_with(".plt") => SectionContent::Stubs,
            _ if name.starts_with(".got") => SectionContent::Slots,
            _ if name.starts_with(".init_array") => SectionContent::Initialisers,
            _ if has(header, elf::SHF_EXECINSTR) => SectionContent::Code,
            _ => SectionContent::Data,
        };
        let in_relro = relro.is_some_and(|(from, len)| start >= from && start - from < len);
        let constant = !has(header, elf::SHF_WRITE) || in_relro;
        sections.push(ImageSection {
            start,
            end,
            bytes: section.data()?,
            holds,
            constant,
        });
    }
    sections.sort_by_key(|section| section.start);
    Ok(sections)
}

fn read_thread_block<'d>(file: &ElfImage<'d>, data: &'d [u8]) -> Option<ImageSection<'d>> {
    let header = file
        .elf_program_headers()
        .iter()
        .find(|header| header.p_type(LittleEndian) == elf::PT_TLS)?;
    let bytes = header.data(LittleEndian, data).ok()?;
    let start = header.p_vaddr(LittleEndian);
    let end = start.checked_add(header.p_memsz(LittleEndian))?;
    Some(ImageSection {
        start,
        end,
        bytes,
        holds: SectionContent::Data,
        constant: false,
    })
}

fn list_symbols<'d: 'f, 'f>(
    symbols: impl Iterator<Item = impl ObjectSymbol<'d>> + 'f,
    kind: SymbolKind,
) -> Vec<ImageSymbol<'d>> {
    // `is_definition` does not recognise thread-locals.
    let symbols = symbols.filter(|symbol| !symbol.is_undefined() && symbol.kind() == kind);
    let named = symbols.filter_map(|symbol| {
        let (start, name) = (symbol.address(), symbol.name().unwrap_or_default());
        Some(ImageSymbol {
            start,
            end: start.checked_add(symbol.size())?,
            name,
        })
    });
    named.collect()
}

fn read_relocations<'d>(file: &ElfImage<'d>) -> Result<Vec<(u64, Relocation<'d>)>, CodeError> {
    let mut relocations = Vec::new();
    for (place, relocation) in file.dynamic_relocations().into_iter().flatten() {
        let RelocationFlags::Elf { r_type } = relocation.flags() else {
            continue;
        };
        let addend = relocation.addend();
        let symbol = match relocation.target() {
            RelocationTarget::Symbol(index) => {
                let table = file.elf_dynamic_symbol_table();
                let symbol = table.symbol(index)?;
                let name = table.symbol_name(LittleEndian, symbol)?;
                let defined = symbol.st_shndx.get(LittleEndian) != elf::SHN_UNDEF;
                let name = std::str::from_utf8(name).unwrap_or_default();
                Some((name, defined.then(|| symbol.st_value.get(LittleEndian))))
            }
            _ => None,
        };
        let relocation = match (r_type, symbol) {
            (elf::R_X86_64_RELATIVE, _) => Relocation::Here(addend.cast_unsigned()),
            (elf::R_X86_64_IRELATIVE, _) => Relocation::Chosen(addend.cast_unsigned()),
            (elf::R_X86_64_DTPMOD64, Some((name, None))) => Relocation::Module(Some(name)),
            (elf::R_X86_64_DTPMOD64, _) => Relocation::Module(None),
            (elf::R_X86_64_DTPOFF64 | elf::R_X86_64_TPOFF64 | elf::R_X86_64_TLSDESC, symbol) => {
                match symbol {
                    None => Relocation::Thread(addend.cast_unsigned()),
                    Some((_, Some(value))) => Relocation::Thread(value.wrapping_add_signed(addend)),
                    Some((name, None)) => Relocation::Import(name, addend),
                }
            }
            (
                elf::R_X86_64_GLOB_DAT | elf::R_X86_64_JUMP_SLOT | elf::R_X86_64_64,
                Some((name, value)),
            ) => match value {
                Some(value) => Relocation::Here(value.wrapping_add_signed(addend)),
                None => Relocation::Import(name, addend),
            },
            (other, _) => Relocation::Other(other.0),
        };
        relocations.push((place, relocation));
    }
    relocations.sort_by_key(|(place, _)| *place);
    Ok(relocations)
}
