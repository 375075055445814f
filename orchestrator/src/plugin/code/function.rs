//! One decoded function: its instructions without padding, and the address of each.

use super::tables::ImageSymbol;
use iced_x86::{Code, Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind};

/// The instructions of a function.
#[derive(Debug)]
pub(super) struct DecodedFunction {
    pub(super) start: u64,
    pub(super) end: u64,
    /// Instructions without padding, in order of address.
    pub(super) instructions: Vec<Instruction>,
    /// Addresses of the instructions, padding included.
    boundaries: Vec<u64>,
}

impl DecodedFunction {
    /// Decodes a function; returns `None` if not all of its bytes are instructions.
    pub(super) fn decode(symbol: &ImageSymbol, bytes: &[u8]) -> Option<Self> {
        let (mut instructions, mut boundaries) = (Vec::new(), Vec::new());
        for instruction in create_decoder(bytes, symbol.start) {
            if instruction.is_invalid() {
                return None;
            }
            boundaries.push(instruction.ip());
            if !is_padding(&instruction) {
                instructions.push(instruction);
            }
        }
        Some(Self {
            start: symbol.start,
            end: symbol.end,
            instructions,
            boundaries,
        })
    }

    /// Finds the index of the instruction that runs first when control reaches `address`; `None` if
    /// the address lies inside an instruction.
    pub(super) fn find_index(&self, address: u64) -> Option<usize> {
        // The end is a valid address: a call that does not return may be the last instruction, and
        // a jump to the end is never taken.
        if address != self.end && self.boundaries.binary_search(&address).is_err() {
            return None;
        }
        Some(
            self.instructions
                .partition_point(|instruction| instruction.ip() < address),
        )
    }

    /// Returns whether control may reach the end and run into the code that follows. Calls at the
    /// end are assumed not to return.
    pub(super) fn falls_through(&self) -> bool {
        let last = self.instructions.last().map(Instruction::flow_control);
        matches!(
            last,
            None | Some(FlowControl::Next | FlowControl::ConditionalBranch)
        )
    }

    pub(super) fn contains(&self, address: u64) -> bool {
        (self.start..self.end).contains(&address)
    }
}

/// Creates a decoder for code at `address`.
pub(super) fn create_decoder(bytes: &[u8], address: u64) -> Decoder<'_> {
    Decoder::with_ip(64, bytes, address, DecoderOptions::NONE)
}

/// Returns whether an instruction only aligns code and has no effect.
fn is_padding(instruction: &Instruction) -> bool {
    instruction.mnemonic() == Mnemonic::Nop
}

/// Extent to which an instruction depends on the object that it refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum ReferenceSpan {
    /// The address is taken, so the code may read any part of the object.
    Whole,
    /// Exactly this number of bytes is read or written.
    Bytes(u64),
}

/// An address that an instruction holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct CodeReference {
    pub(super) address: u64,
    pub(super) span: ReferenceSpan,
}

/// Splits an instruction into the instruction without its reference, and the reference.
pub(super) fn split_reference(instruction: &Instruction) -> (Instruction, Option<CodeReference>) {
    let mut rest = *instruction;
    if is_near_branch(instruction) {
        let address = instruction.near_branch_target();
        rest.set_near_branch64(0);
        // The encoding of a jump depends on its distance, and thus on the layout.
        if let Some(code) = find_near_form(rest.code()) {
            rest.set_code(code);
        }
        return (
            rest,
            Some(CodeReference {
                address,
                span: ReferenceSpan::Whole,
            }),
        );
    }
    if instruction.is_ip_rel_memory_operand() {
        let address = instruction.ip_rel_memory_address();
        rest.set_memory_displacement64(0);
        // `lea` accesses no memory, and some instructions have no fixed size.
        let span = match instruction.memory_size().size() {
            0 => ReferenceSpan::Whole,
            size => ReferenceSpan::Bytes(size as u64),
        };
        return (rest, Some(CodeReference { address, span }));
    }
    (rest, None)
}

fn is_near_branch(instruction: &Instruction) -> bool {
    matches!(
        instruction.op0_kind(),
        OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64
    )
}

fn find_near_form(code: Code) -> Option<Code> {
    let near = code.as_near_branch();
    (near != code).then_some(near)
}
