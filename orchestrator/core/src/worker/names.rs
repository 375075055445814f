//! Interned names: conversion of texts to small numbers and back, without calls of the allocator.
//!
//! A plugin may intern a name inside a counted iteration. If the table were on the heap, its memory
//! would be counted as an allocation of the plugin.

use crate::format::clean::is_control;
use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

pub(super) const MOST: usize = 4096;
/// Maximum length of a name in bytes. Longer names are cut at a character boundary.
const LENGTH: usize = 120;

#[derive(Clone, Copy)]
struct InternedName {
    length: u8,
    bytes: [u8; LENGTH],
}

struct NameTable {
    lock: AtomicBool,
    used: AtomicU32,
    names: UnsafeCell<[InternedName; MOST]>,
}

// SAFETY: a name is written once, under the lock, before `used` covers it, and never again. Readers
// only look below `used`.
unsafe impl Sync for NameTable {}

static TABLE: NameTable = NameTable {
    lock: AtomicBool::new(false),
    used: AtomicU32::new(0),
    names: UnsafeCell::new(
        [InternedName {
            length: 0,
            bytes: [0; LENGTH],
        }; MOST],
    ),
};

/// Id of all names that do not fit into the table.
const OVERFLOW: u32 = MOST as u32;
static OVERFLOWED: AtomicBool = AtomicBool::new(false);

/// Returns whether there were more names than the table can hold.
pub(super) fn overflowed() -> bool {
    OVERFLOWED.load(Ordering::Relaxed)
}

/// Returns the id of a name, counted from 1. The last id stands for all names beyond the table's
/// size.
pub(super) fn intern(text: &str) -> u32 {
    let mut length = text.len().min(LENGTH);
    while !text.is_char_boundary(length) {
        length -= 1;
    }
    // Names are printed on terminals, where control characters could have arbitrary effects.
    let mut clean = [0; LENGTH];
    clean[..length].copy_from_slice(&text.as_bytes()[..length]);
    for (at, c) in text[..length].char_indices() {
        if is_control(c) {
            clean[at..at + c.len_utf8()].fill(b' ');
        }
    }
    let bytes = &clean[..length];
    while TABLE.lock.swap(true, Ordering::Acquire) {
        std::hint::spin_loop();
    }
    let used = TABLE.used.load(Ordering::Relaxed);
    let known = (1..=used).find(|&id| name(id) == bytes);
    let id = known.unwrap_or_else(|| {
        if used + 1 >= OVERFLOW {
            OVERFLOWED.store(true, Ordering::Relaxed);
            return OVERFLOW;
        }
        // The length is at most LENGTH, which fits a byte.
        let entry = InternedName {
            length: length as u8,
            bytes: clean,
        };
        // SAFETY: this place is not visible to readers before `used` is raised, and the lock
        // excludes other writers.
        unsafe {
            TABLE
                .names
                .get()
                .cast::<InternedName>()
                .add(used as usize)
                .write(entry)
        };
        TABLE.used.store(used + 1, Ordering::Release);
        used + 1
    });
    TABLE.lock.store(false, Ordering::Release);
    id
}

/// Returns the bytes of a name. It is safe in a signal handler.
pub(super) fn name(id: u32) -> &'static [u8] {
    if id == 0 || id > TABLE.used.load(Ordering::Acquire) {
        return b"(unnamed)";
    }
    // SAFETY: `id` is in 1..=used, so this entry was written completely and is never written again.
    let entry = unsafe {
        &*TABLE
            .names
            .get()
            .cast::<InternedName>()
            .add(id as usize - 1)
    };
    &entry.bytes[..usize::from(entry.length)]
}

pub(super) fn text(id: u32) -> String {
    String::from_utf8_lossy(name(id)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_their_ids_and_long_ones_are_cut_between_characters() {
        let first = intern("Forward");
        assert_eq!(first, intern("Forward"));
        assert_ne!(first, intern("Backward"));
        assert_eq!(name(first), b"Forward");
        let long = intern(&"é".repeat(200));
        assert_eq!(text(long), "é".repeat(60));
        assert_eq!(text(intern("clear\x1b[2J\nscreen")), "clear [2J screen");
        assert_eq!(text(intern("a\u{9b}2J\u{202e}b")), "a  2J   b");
        assert_eq!(name(0), b"(unnamed)");
        assert_eq!(name(u32::MAX), b"(unnamed)");
    }
}
