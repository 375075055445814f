//! SHA-256 of files and texts, as lower-case hexadecimal.

use crate::file::FileRefusal;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Largest file that is hashed, so that a sparse file or one that grows does not take hours.
const MOST_BYTES: u64 = 64 << 30;

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
            text.push(digit(byte >> 4));
            text.push(digit(byte & 15));
            text
        })
}

pub(crate) fn text(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

/// Computes the hash of a regular file.
pub(crate) fn file(path: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    add_content(&mut hash, &crate::file::open_regular(path)?)?;
    Ok(hex(&hash.finalize()))
}

/// Adds the content of an open file, of which at most [`MOST_BYTES`] are read.
pub(crate) fn add_content(hash: &mut Sha256, file: &File) -> io::Result<()> {
    let too_large = FileRefusal::TooLarge { most: MOST_BYTES };
    if file.metadata()?.len() > MOST_BYTES {
        return Err(too_large.into());
    }
    let read = io::copy(&mut file.take(MOST_BYTES + 1), &mut HashWriter(hash))?;
    match read > MOST_BYTES {
        true => Err(too_large.into()),
        false => Ok(()),
    }
}

struct HashWriter<'a>(&'a mut Sha256);

impl io::Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_text_has_its_published_hash() {
        assert_eq!(
            text(""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    #[test]
    fn only_regular_files_have_a_hash() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        std::fs::write(&path, "content").expect("written");
        assert_eq!(file(&path).expect("readable"), text("content"));
        let huge = File::create(folder.path().join("huge")).expect("created");
        huge.set_len(MOST_BYTES + 1).expect("sparse");
        let huge = folder.path().join("huge");
        for path in [&huge, Path::new("/dev/zero"), folder.path()] {
            let error = file(path).expect_err("refused");
            assert!(FileRefusal::find(&error).is_some(), "{}", path.display());
        }
    }
}
