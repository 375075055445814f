//! Work of one iteration, from which metrics are computed.

use orch_sdk::count;

/// Work that one iteration does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Throughput {
    /// Bytes.
    Bytes(u64),
    /// Bytes, shown by criterion in decimal units.
    BytesDecimal(u64),
    /// Elements.
    Elements(u64),
    /// Bits.
    Bits(u64),
    /// Elements and bytes.
    ElementsAndBytes {
        /// Elements.
        elements: u64,
        /// Bytes.
        bytes: u64,
    },
}

/// Counters of a plugin that criterion's throughputs use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WorkCounter {
    Bytes,
    Elements,
    Bits,
}

impl WorkCounter {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::Elements => "elements",
            Self::Bits => "bits",
        }
    }

    /// Returns the unit of the rate.
    pub(crate) fn rate_unit(self) -> &'static str {
        match self {
            Self::Bytes => "B/s",
            Self::Elements => "elements/s",
            Self::Bits => "bit/s",
        }
    }
}

impl Throughput {
    /// Lists the counters that one iteration increases, with the amounts.
    pub(crate) fn list_amounts(self) -> impl Iterator<Item = (WorkCounter, u64)> {
        let (first, second) = match self {
            Self::Bytes(bytes) | Self::BytesDecimal(bytes) => ((WorkCounter::Bytes, bytes), None),
            Self::Elements(elements) => ((WorkCounter::Elements, elements), None),
            Self::Bits(bits) => ((WorkCounter::Bits, bits), None),
            Self::ElementsAndBytes { elements, bytes } => (
                (WorkCounter::Elements, elements),
                Some((WorkCounter::Bytes, bytes)),
            ),
        };
        std::iter::once(first).chain(second)
    }

    /// Adds the work of some iterations to the counters.
    pub(crate) fn count_iterations(self, iterations: u64) {
        for (counter, amount) in self.list_amounts() {
            let amount = amount as f64 * iterations as f64;
            match counter {
                WorkCounter::Bytes => count!("bytes", amount),
                WorkCounter::Elements => count!("elements", amount),
                WorkCounter::Bits => count!("bits", amount),
            }
        }
    }
}
