//! One function, decoded: its instructions without padding, and where each begins.

use super::tables::ImageSymbol;
use iced_x86::{Code, Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind};

/// The instructions of a function.
#[derive(Debug)]
pub(super) struct DecodedFunction {
    pub(super) start: u64,
    pub(super) end: u64,
    /// Without padding, in order of address.
    pub(super) instructions: Vec<Instruction>,
    /// Where instructions begin, padding included.
    boundaries: Vec<u64>,
}

impl DecodedFunction {
    /// Nothing when the bytes are not all instructions.
    pub(super) fn decode(symbol: &ImageSymbol, bytes: &[u8]) -> Option<Self> {
        let (mut instructions, mut boundaries) = (Vec::new(), Vec::new());
        for instruction in decoder(bytes, symbol.start) {
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

    /// Which instruction runs first when control reaches `address`; nothing inside of an
    /// instruction.
    pub(super) fn index_of(&self, address: u64) -> Option<usize> {
        // The end counts: a call that does not return may be the last instruction, and a jump there
        // is never taken.
        if address != self.end && self.boundaries.binary_search(&address).is_err() {
            return None;
        }
        Some(
            self.instructions
                .partition_point(|instruction| instruction.ip() < address),
        )
    }

    /// Whether control may leave at the end, into whatever follows. Calls are taken not to return
    /// there.
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

/// A decoder for code at `address`.
pub(super) fn decoder(bytes: &[u8], address: u64) -> Decoder<'_> {
    Decoder::with_ip(64, bytes, address, DecoderOptions::NONE)
}

/// What aligns code and never changes what it does.
fn is_padding(instruction: &Instruction) -> bool {
    instruction.mnemonic() == Mnemonic::Nop
}

/// How much of what an instruction refers to it depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum ReferenceSpan {
    /// The address is taken: anything of the object may be read.
    Whole,
    /// Just so many bytes are read or written.
    Bytes(u64),
}

/// An address that an instruction holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct CodeReference {
    pub(super) address: u64,
    pub(super) span: ReferenceSpan,
}

/// The instruction with its reference taken out, and the reference.
pub(super) fn split_reference(instruction: &Instruction) -> (Instruction, Option<CodeReference>) {
    let mut rest = *instruction;
    if is_near_branch(instruction) {
        let address = instruction.near_branch_target();
        rest.set_near_branch64(0);
        // A jump's encoding depends on its distance, that is, on layout.
        if let Some(code) = near_form(rest.code()) {
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
        // `lea` has no size, and some instructions none that is fixed.
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

fn near_form(code: Code) -> Option<Code> {
    let near = code.as_near_branch();
    (near != code).then_some(near)
}
