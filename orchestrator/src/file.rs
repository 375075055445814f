//! Files in places to which others have access: opened only if they are regular, read up to a
//! limit, and written under another name until they are complete.
//!
//! The place of a file may hold a named pipe, which blocks a program that opens it, a device such
//! as `/dev/zero`, which has no end, or a link that another user made.

use orch_core::format;
use orch_core::random;
use rustix::fs::OFlags;
use std::ffi::OsString;
use std::fs::{File, FileType, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Largest text that a person writes, such as a scenario, a template or a manifest.
pub(crate) const MOST_TEXT_BYTES: u64 = 16 << 20;
/// Largest table, and largest file of results, such as a record or a journal.
pub(crate) const MOST_RESULT_BYTES: u64 = 1 << 30;
/// Largest library. Those of deep learning frameworks have up to 2 GB with debug information.
pub(crate) const MOST_LIBRARY_BYTES: u64 = 4 << 30;

/// Ending of files that are not complete yet.
const UNFINISHED: &str = "tmp";

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

/// Returns what lies in the place of a file, if it exists and is not a regular file. Links are
/// followed.
pub(crate) fn find_special_kind(path: &Path) -> Option<SpecialFile> {
    SpecialFile::find(path.metadata().ok()?.file_type())
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

/// A file that is written under another name in the same folder, and gets its own name when it is
/// complete. If it is dropped earlier, it is removed.
#[derive(Debug)]
pub(crate) struct UnfinishedFile {
    /// Locked for as long as this value lives, so that no other process takes it for a leftover.
    file: File,
    beside: PathBuf,
    target: PathBuf,
    is_finished: bool,
}

impl UnfinishedFile {
    /// Creates an empty file for `target`, and removes those that killed processes left beside it.
    pub(crate) fn create(target: &Path) -> io::Result<Self> {
        if let Some(folder) = target.parent() {
            remove_leftovers(folder);
        }
        loop {
            let beside = name_unfinished(target);
            // A new file follows no link.
            let file = match File::create_new(&beside) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                file => file?,
            };
            // Another process may have taken the file for a leftover before it was locked.
            if claim_unfinished(&file) && file.metadata()?.nlink() > 0 {
                return Ok(Self {
                    file,
                    beside,
                    target: target.to_owned(),
                    is_finished: false,
                });
            }
        }
    }

    /// Copies the content, the permissions and the modification time of a file.
    pub(crate) fn copy_from(&mut self, mut source: &File) -> io::Result<()> {
        let about = source.metadata()?;
        io::copy(&mut source, &mut self.file)?;
        self.file.set_permissions(about.permissions())?;
        self.file.set_modified(about.modified()?)
    }

    /// Stores the content permanently.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// Gives the file its name, in place of an older file.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        std::fs::rename(&self.beside, &self.target)?;
        self.is_finished = true;
        Ok(())
    }
}

impl Write for UnfinishedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for UnfinishedFile {
    fn drop(&mut self) {
        if !self.is_finished {
            // Half a file is of no use, and it would take up space on a full disk.
            let _ = std::fs::remove_file(&self.beside);
        }
    }
}

/// A folder that gets its name when all of its files are written, so that it exists completely or
/// not at all. It is removed if it does not get that far; if this process is killed, by the next
/// one.
pub(crate) struct UnfinishedFolder {
    /// Locked for as long as this value lives, so that no other process takes it for a leftover.
    _claim: File,
    beside: PathBuf,
    target: PathBuf,
    is_finished: bool,
}

impl UnfinishedFolder {
    /// Creates an empty folder for `target`, and removes those that killed processes left beside
    /// it.
    pub(crate) fn create(target: &Path) -> io::Result<Self> {
        if let Some(folder) = target.parent() {
            remove_leftovers(folder);
        }
        loop {
            let beside = name_unfinished(target);
            std::fs::create_dir(&beside)?;
            // Another process may take the folder for a leftover before it is locked.
            match open_folder(&beside) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Ok(claim) if !claim_unfinished(&claim) => continue,
                claim => {
                    return Ok(Self {
                        _claim: claim?,
                        beside,
                        target: target.to_owned(),
                        is_finished: false,
                    });
                }
            }
        }
    }

    /// Returns the path until the folder is finished.
    pub(crate) fn path(&self) -> &Path {
        &self.beside
    }

    /// Gives the folder its name.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        std::fs::rename(&self.beside, &self.target)?;
        self.is_finished = true;
        Ok(())
    }
}

impl Drop for UnfinishedFolder {
    fn drop(&mut self) {
        if !self.is_finished {
            let _ = std::fs::remove_dir_all(&self.beside);
        }
    }
}

/// Removes a folder that others may use until the moment it is gone.
pub(crate) fn remove_folder(folder: &Path) -> io::Result<()> {
    // Under another name, no process takes the folder for a complete one. If this process is
    // killed, the next one removes the rest.
    let removed = name_unfinished(folder);
    std::fs::rename(folder, &removed)?;
    match std::fs::remove_dir_all(removed) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Claims an unfinished file or folder for as long as it is open, so that no other process takes it
/// for a leftover. Returns `false` if another process has claimed it. Where the file system has no
/// locks, leftovers are never removed, so no claim is needed.
pub(crate) fn claim_unfinished(file: &File) -> bool {
    !matches!(file.try_lock(), Err(std::fs::TryLockError::WouldBlock))
}

/// Writes a file so that it exists completely or not at all, even after a crash of the machine.
pub(crate) fn write_whole(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = UnfinishedFile::create(path)?;
    file.write_all(content)?;
    file.sync()?;
    file.finish()
}

/// Writes a file that the user named. A link is followed, and what is no regular file, such as a
/// device or a pipe, is written to and stays what it is.
pub(crate) fn write_named(path: &Path, content: &[u8]) -> io::Result<()> {
    match path.metadata() {
        Ok(about) if about.is_file() => write_whole(&path.canonicalize()?, content),
        Ok(_) => File::options().write(true).open(path)?.write_all(content),
        Err(_) if path.is_symlink() => std::fs::write(path, content),
        Err(_) => write_whole(path, content),
    }
}

/// Returns an unused name for the unfinished version of a file or folder.
pub(crate) fn name_unfinished(target: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(format!(".{:016x}.{UNFINISHED}", random::draw_system_bits()));
    target.with_file_name(name)
}

/// Returns whether [`name_unfinished`] may have made a name.
pub(crate) fn is_unfinished(path: &Path) -> bool {
    let is_digits = |digits: &str| {
        digits.len() == 16
            && digits
                .bytes()
                .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
    };
    let name = path.file_name().and_then(|name| name.to_str());
    let Some(hidden) = name.and_then(|name| name.strip_prefix('.')) else {
        return false;
    };
    let mut parts = hidden.rsplit('.');
    parts.next() == Some(UNFINISHED) && parts.next().is_some_and(is_digits)
}

/// Removes the unfinished files and folders that killed processes left in a folder. Those that a
/// living process is writing stay.
pub(crate) fn remove_leftovers(folder: &Path) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        if !is_unfinished(&path) {
            continue;
        }
        // An error leaves the file for the next visit.
        let _ = remove_leftover(&path);
    }
}

fn remove_leftover(path: &Path) -> io::Result<()> {
    if path.symlink_metadata()?.is_dir() {
        let claim = open_folder(path)?;
        if claim.try_lock().is_ok() {
            std::fs::remove_dir_all(path)?;
        }
    } else {
        let mut read = OpenOptions::new();
        let claim = open_regular_with(path, LinkRule::Refuse, read.read(true))?;
        if claim.try_lock().is_ok() {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
