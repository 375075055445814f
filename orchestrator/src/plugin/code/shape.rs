//! Numbers that characterise the code of a function.

use super::CodeShape;
use super::function::DecodedFunction;
use iced_x86::{FlowControl, Instruction};

/// Prefixes of arithmetic instructions, without the `v` of their newer forms.
const ARITHMETIC: [&str; 19] = [
    "add", "sub", "mul", "div", "sqrt", "min", "max", "fmadd", "fmsub", "fnmadd", "fnmsub", "rcp",
    "rsqrt", "hadd", "hsub", "round", "rndscale", "dpp", "scalef",
];

/// Computes the numbers of a function.
pub(super) fn compute_shape(function: &DecodedFunction) -> CodeShape {
    let mut shape = CodeShape {
        bytes: function.end - function.start,
        instructions: function.instructions.len() as u64,
        packed_float: 0,
        scalar_float: 0,
        widest_vector_bits: 0,
        calls_in_loops: 0,
    };
    let loops = find_loops(function);
    for instruction in &function.instructions {
        let bits = find_vector_bits(instruction);
        shape.widest_vector_bits = shape.widest_vector_bits.max(bits);
        if bits > 0 {
            match classify_arithmetic(instruction) {
                Some(VectorLanes::Many) => shape.packed_float += 1,
                Some(VectorLanes::One) => shape.scalar_float += 1,
                None => {}
            }
        }
        let calls = matches!(
            instruction.flow_control(),
            FlowControl::Call | FlowControl::IndirectCall
        );
        if calls
            && loops
                .iter()
                .any(|(first, last)| (*first..*last).contains(&instruction.ip()))
        {
            shape.calls_in_loops += 1;
        }
    }
    shape
}

/// Finds the begins and ends of loops: one loop per backward jump. Nested loops are merged to keep
/// their number small.
fn find_loops(function: &DecodedFunction) -> Vec<(u64, u64)> {
    let jumps = function.instructions.iter().filter(|instruction| {
        matches!(
            instruction.flow_control(),
            FlowControl::ConditionalBranch | FlowControl::UnconditionalBranch
        )
    });
    let backward = jumps.map(|jump| (jump.near_branch_target(), jump.ip()));
    let mut all: Vec<_> = backward
        .filter(|(to, from)| (function.start..=*from).contains(to))
        .collect();
    all.sort_unstable();
    let mut merged: Vec<(u64, u64)> = Vec::new();
    for (first, last) in all {
        match merged.last_mut() {
            Some(before) if first <= before.1 => before.1 = before.1.max(last),
            _ => merged.push((first, last)),
        }
    }
    merged
}

enum VectorLanes {
    One,
    Many,
}

fn classify_arithmetic(instruction: &Instruction) -> Option<VectorLanes> {
    let name = format!("{:?}", instruction.mnemonic()).to_lowercase();
    let name = name.strip_prefix('v').unwrap_or(&name);
    if !ARITHMETIC
        .iter()
        .any(|beginning| name.starts_with(beginning))
    {
        return None;
    }
    if ["ps", "pd", "ph"].iter().any(|end| name.ends_with(end)) {
        Some(VectorLanes::Many)
    } else if ["ss", "sd", "sh"].iter().any(|end| name.ends_with(end)) {
        Some(VectorLanes::One)
    } else {
        None
    }
}

fn find_vector_bits(instruction: &Instruction) -> u32 {
    let registers = (0..instruction.op_count()).map(|operand| match operand {
        0 => instruction.op0_register(),
        1 => instruction.op1_register(),
        2 => instruction.op2_register(),
        3 => instruction.op3_register(),
        _ => instruction.op4_register(),
    });
    let bits = registers.map(|register| match register {
        register if register.is_zmm() => 512,
        register if register.is_ymm() => 256,
        register if register.is_xmm() => 128,
        _ => 0,
    });
    bits.max().unwrap_or(0)
}
