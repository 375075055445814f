//! Libraries in the cache, each under the hash of its content. A library is compared with its hash
//! whenever it is used, because a power failure, a full disk or another program may have damaged
//! it.

use super::{explain_unusable, subfolder};
use crate::file::{self, UnfinishedFile};
use crate::hash;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// Name of the folder of all libraries.
const FOLDER: &str = "artefacts";

/// What is wrong with a library in the cache.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ArtefactDamage {
    #[error("is empty")]
    Empty,
    #[error("has {found} instead of {expected} bytes")]
    Length { found: u64, expected: u64 },
    #[error("has other content than when it was stored")]
    Content,
    #[error("{0}")]
    Unreadable(String),
}

/// A library in the cache that is not what its name states.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the cached library {} {damage}", path.display())]
pub(crate) struct DamagedArtefact {
    pub(crate) path: PathBuf,
    pub(crate) damage: ArtefactDamage,
}

/// State of a library in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ArtefactState {
    Whole(PathBuf),
    Absent,
    Damaged(DamagedArtefact),
}

/// A library that was stored in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeptArtefact {
    pub(crate) path: PathBuf,
    /// The damaged library that it replaced.
    pub(crate) replaced: Option<DamagedArtefact>,
}

/// Compares the library of this hash with the hash, and with its length if that is known.
pub(crate) fn check_artefact(hash: &str, bytes: Option<u64>) -> io::Result<ArtefactState> {
    let path = locate_artefact(hash)?;
    let damage = match file::open_regular(&path) {
        Ok(library) => find_damage(&library, hash, bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(ArtefactState::Absent),
        Err(error) => Some(ArtefactDamage::Unreadable(error.to_string())),
    };
    Ok(match damage {
        Some(damage) => ArtefactState::Damaged(DamagedArtefact { path, damage }),
        None => ArtefactState::Whole(path),
    })
}

fn find_damage(library: &File, hash: &str, bytes: Option<u64>) -> Option<ArtefactDamage> {
    let read = || {
        let found = library.metadata()?.len();
        if let Some(expected) = bytes.filter(|expected| *expected != found) {
            return Ok(match found {
                0 => Some(ArtefactDamage::Empty),
                _ => Some(ArtefactDamage::Length { found, expected }),
            });
        }
        let mut content = Sha256::new();
        hash::add_content(&mut content, library)?;
        let is_same = hash::hex(&content.finalize()) == hash;
        Ok((!is_same).then_some(match found {
            0 => ArtefactDamage::Empty,
            _ => ArtefactDamage::Content,
        }))
    };
    read().unwrap_or_else(|error: io::Error| Some(ArtefactDamage::Unreadable(error.to_string())))
}

/// Copies a library into the cache under its hash, so that no rebuild changes it during a
/// measurement. The copy appears completely or not at all, and replaces a damaged one.
///
/// # Errors
/// The library cannot be read, or its content no longer has this hash, or the cache refuses the
/// copy.
pub(crate) fn keep(library: &Path, hash: &str) -> io::Result<KeptArtefact> {
    let source = file::open_regular(library)?;
    let replaced = match check_artefact(hash, Some(source.metadata()?.len()))? {
        ArtefactState::Whole(path) => {
            return Ok(KeptArtefact {
                path,
                replaced: None,
            });
        }
        ArtefactState::Absent => None,
        ArtefactState::Damaged(damaged) => Some(damaged),
    };
    let folder = subfolder(FOLDER)?;
    let path = locate_artefact(hash)?;
    let refused = |error: io::Error| explain_unusable(&folder, &error);
    let mut copy = UnfinishedFile::create(&path).map_err(refused)?;
    if copy_hashed(&source, &mut copy, &folder)? != hash {
        return Err(io::Error::other("the file changed while it was copied"));
    }
    copy.sync().map_err(refused)?;
    copy.finish().map_err(refused)?;
    Ok(KeptArtefact { path, replaced })
}

/// Copies a file and returns the hash of what was copied. A compiler may write to the file at the
/// same time, so an earlier hash need not be that of the copy.
fn copy_hashed(mut source: &File, copy: &mut UnfinishedFile, folder: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = source.read(&mut buffer)?;
        if read == 0 {
            return Ok(hash::hex(&hash.finalize()));
        }
        hash.update(&buffer[..read]);
        copy.write_all(&buffer[..read])
            .map_err(|error| explain_unusable(folder, &error))?;
    }
}

/// Returns the path of the library with this hash.
fn locate_artefact(hash: &str) -> io::Result<PathBuf> {
    Ok(subfolder(FOLDER)?.join(format!("{hash}.so")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    /// Puts something else in the place of a cached library, given the path of another library.
    type Damage = &'static dyn Fn(&Path, &Path);

    #[test]
    fn damaged_library_is_found_and_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        super::super::OF_THIS_TEST.set(Some(folder.path().join("cache")));
        let at = |name: &str| folder.path().join(name);
        let content: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
        std::fs::write(at("a.so"), &content).expect("written");
        std::fs::write(at("b.so"), "another library").expect("written");
        let [a, b] = ["a.so", "b.so"].map(|name| hash::file(&at(name)).expect("readable"));
        let bytes = Some(content.len() as u64);
        assert_eq!(
            check_artefact(&a, bytes).expect("readable"),
            ArtefactState::Absent
        );
        let other = keep(&at("b.so"), &b).expect("kept");
        let first = keep(&at("a.so"), &a).expect("kept");
        assert_eq!((&first.replaced, &other.replaced), (&None, &None));
        let damages: [(Damage, ArtefactDamage); 6] = [
            (
                &|path, _| std::fs::write(path, "").expect("written"),
                ArtefactDamage::Empty,
            ),
            (
                &|path, _| {
                    let file = File::options().write(true).open(path).expect("opened");
                    file.set_len(4096).expect("cut");
                },
                ArtefactDamage::Length {
                    found: 4096,
                    expected: content.len() as u64,
                },
            ),
            (
                &|path, other| assert!(std::fs::copy(other, path).is_ok()),
                ArtefactDamage::Length {
                    found: 15,
                    expected: content.len() as u64,
                },
            ),
            (
                &|path, _| {
                    let mut bytes = std::fs::read(path).expect("readable");
                    bytes[100_000] ^= 4;
                    std::fs::write(path, bytes).expect("written");
                },
                ArtefactDamage::Content,
            ),
            (
                &|path, _| {
                    std::fs::remove_file(path).expect("removed");
                    let mode = rustix::fs::Mode::RWXU;
                    rustix::fs::mkfifoat(rustix::fs::CWD, path, mode).expect("a pipe");
                },
                ArtefactDamage::Unreadable("is a named pipe, not a regular file".to_owned()),
            ),
            (
                &|path, _| {
                    std::fs::remove_file(path).expect("removed");
                    symlink("/dev/zero", path).expect("a link");
                },
                ArtefactDamage::Unreadable("is a device, not a regular file".to_owned()),
            ),
        ];
        for (damage_file, damage) in damages {
            damage_file(&first.path, &other.path);
            let expected = DamagedArtefact {
                path: first.path.clone(),
                damage,
            };
            assert_eq!(
                check_artefact(&a, bytes).expect("readable"),
                ArtefactState::Damaged(expected.clone())
            );
            let kept = keep(&at("a.so"), &a).expect("kept");
            assert_eq!(kept.replaced, Some(expected));
            assert_eq!(std::fs::read(&kept.path).expect("readable"), content);
            assert_eq!(
                check_artefact(&a, None).expect("readable"),
                ArtefactState::Whole(first.path.clone())
            );
        }
        let damaged = DamagedArtefact {
            path: PathBuf::from("/c/x.so"),
            damage: ArtefactDamage::Length {
                found: 1,
                expected: 2,
            },
        };
        assert_eq!(
            damaged.to_string(),
            "the cached library /c/x.so has 1 instead of 2 bytes"
        );
    }

    #[test]
    fn library_that_changed_since_it_was_hashed_is_not_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        super::super::OF_THIS_TEST.set(Some(folder.path().join("cache")));
        let library = folder.path().join("a.so");
        std::fs::write(&library, "new").expect("written");
        let old = hash::text("old");
        assert!(keep(&library, &old).is_err());
        let artefacts = subfolder(FOLDER).expect("a folder");
        let left = std::fs::read_dir(artefacts).expect("a folder").count();
        assert_eq!(left, 0, "no unfinished file");
    }

    #[test]
    fn copy_of_a_killed_process_is_removed_by_the_next_one() {
        let folder = tempfile::tempdir().expect("a folder");
        super::super::OF_THIS_TEST.set(Some(folder.path().join("cache")));
        let library = folder.path().join("a.so");
        std::fs::write(&library, "library").expect("written");
        let hash = hash::file(&library).expect("readable");
        let path = locate_artefact(&hash).expect("a place");
        let left = file::name_unfinished(&path);
        std::fs::write(&left, "half").expect("written");
        let in_use = UnfinishedFile::create(&path).expect("created");
        keep(&library, &hash).expect("kept");
        assert!(!left.exists());
        in_use.finish().expect("it was not removed");
    }

    #[test]
    fn folder_that_refuses_files_is_named_with_its_variable() {
        if rustix::process::geteuid().is_root() {
            // Root may write to every folder.
            return;
        }
        let folder = tempfile::tempdir().expect("a folder");
        super::super::OF_THIS_TEST.set(Some(folder.path().join("cache")));
        let library = folder.path().join("a.so");
        std::fs::write(&library, "library").expect("written");
        let artefacts = subfolder(FOLDER).expect("a folder");
        let set = |mode| {
            std::fs::set_permissions(&artefacts, std::fs::Permissions::from_mode(mode))
                .expect("set");
        };
        set(0o500);
        let error = keep(&library, &hash::text("library")).expect_err("refused");
        set(0o700);
        assert!(super::super::is_refusal(&error));
        let shown = format!("cannot use the cache {}: ", artefacts.display());
        assert!(error.to_string().starts_with(&shown), "{error}");
        assert!(error.to_string().contains("XDG_CACHE_HOME"), "{error}");
    }
}
