//! Files in places to which others have access: opened only if they are regular, and read up to a
//! limit.
//!
//! The place of a file may hold a named pipe, which blocks a program that opens it, a device such
//! as `/dev/zero`, which has no end, or a link that another user made.

use orch_core::format;
use rustix::fs::OFlags;
use std::fs::{File, FileType, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

/// Largest text that a person writes, such as a scenario, a template or a manifest.
pub(crate) const MOST_TEXT_BYTES: u64 = 16 << 20;
/// Largest table, and largest file of results, such as a record or a journal.
pub(crate) const MOST_RESULT_BYTES: u64 = 1 << 30;
/// Largest library. Those of deep learning frameworks have up to 2 GB with debug information.
pub(crate) const MOST_LIBRARY_BYTES: u64 = 4 << 30;

/// Kinds of files that hold no text or data of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SpecialFile {
    #[error("a folder")]
    Folder,
    #[error("a link")]
    Link,
    #[error("a named pipe")]
    NamedPipe,
    #[error("a socket")]
    Socket,
    #[error("a device")]
    Device,
}

impl SpecialFile {
    fn find(kind: FileType) -> Option<Self> {
        if kind.is_file() {
            None
        } else if kind.is_dir() {
            Some(Self::Folder)
        } else if kind.is_symlink() {
            Some(Self::Link)
        } else if kind.is_fifo() {
            Some(Self::NamedPipe)
        } else if kind.is_socket() {
            Some(Self::Socket)
        } else {
            Some(Self::Device)
        }
    }
}

/// Reason why a file that exists is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FileRefusal {
    #[error("is {0}, not a regular file")]
    Special(SpecialFile),
    #[error("is larger than {}", format::bytes(*most as f64))]
    TooLarge { most: u64 },
    #[error("is not UTF-8 text")]
    NotText,
}

impl FileRefusal {
    /// Finds the refusal that an error of this module reports.
    pub(crate) fn find(error: &io::Error) -> Option<Self> {
        error.get_ref()?.downcast_ref().copied()
    }
}

impl From<FileRefusal> for io::Error {
    fn from(refusal: FileRefusal) -> Self {
        let kind = match refusal {
            FileRefusal::Special(SpecialFile::Folder) => io::ErrorKind::IsADirectory,
            FileRefusal::Special(_) => io::ErrorKind::InvalidInput,
            FileRefusal::TooLarge { .. } => io::ErrorKind::FileTooLarge,
            FileRefusal::NotText => io::ErrorKind::InvalidData,
        };
        Self::new(kind, refusal)
    }
}

/// What happens if the last part of a path is a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkRule {
    Follow,
    /// For places in which another user may have made the link.
    Refuse,
}

/// Opens a regular file for reading. Any other kind of file is refused without waiting.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    open_regular_with(path, LinkRule::Follow, OpenOptions::new().read(true))
}

/// Opens a regular file with the given options. Any other kind of file is refused without waiting.
pub(crate) fn open_regular_with(
    path: &Path,
    links: LinkRule,
    options: &mut OpenOptions,
) -> io::Result<File> {
    let about = match links {
        LinkRule::Follow => path.metadata(),
        LinkRule::Refuse => path.symlink_metadata(),
    };
    // Opening a device may have an effect, and opening a socket fails with a misleading error, so
    // the kind is checked before. If nothing is there, opening reports that or creates the file.
    if let Ok(about) = about {
        refuse_special(about.file_type())?;
    }
    let no_follow = match links {
        LinkRule::Follow => OFlags::empty(),
        LinkRule::Refuse => OFlags::NOFOLLOW,
    };
    // Rust opens files as close-on-exec.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY | no_follow;
    let file = options
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    // Another file may have taken the place in the meantime.
    refuse_special(file.metadata()?.file_type())?;
    Ok(file)
}

fn refuse_special(kind: FileType) -> io::Result<()> {
    match SpecialFile::find(kind) {
        Some(special) => Err(FileRefusal::Special(special).into()),
        None => Ok(()),
    }
}

/// Opens a folder. Links and any other kind of file are refused without waiting.
pub(crate) fn open_folder(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .custom_flags((OFlags::DIRECTORY | OFlags::NOFOLLOW).bits().cast_signed())
        .open(path)
}

/// Reads a regular file of at most `most` bytes.
pub(crate) fn read_bytes(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    read_opened(&open_regular(path)?, most)
}

/// Reads an open file from its present position, at most `most` bytes.
pub(crate) fn read_opened(file: &File, most: u64) -> io::Result<Vec<u8>> {
    let too_large = || FileRefusal::TooLarge { most };
    let expected = file.metadata()?.len();
    if expected > most {
        return Err(too_large().into());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(expected).map_err(|_| too_large())?);
    // The file may grow while it is read.
    let read = file.take(most + 1).read_to_end(&mut bytes)?;
    if read as u64 > most {
        return Err(too_large().into());
    }
    Ok(bytes)
}

/// Reads a regular file of at most `most` bytes as text.
pub(crate) fn read_text(path: &Path, most: u64) -> io::Result<String> {
    String::from_utf8(read_bytes(path, most)?).map_err(|_| FileRefusal::NotText.into())
}

#[cfg(test)]
mod tests;
