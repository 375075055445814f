//! Tests of regular files, and of all other kinds of files in their place.

use super::*;
use std::os::unix::fs::symlink;

fn make_pipe(path: &Path) {
    rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RWXU).expect("a pipe");
}

#[test]
fn only_regular_files_within_the_limit_are_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("text"), "four").expect("written");
    std::fs::write(at("bytes"), [0xff, 0xfe]).expect("written");
    std::fs::write(at("long"), "five!").expect("written");
    symlink(at("text"), at("link")).expect("a link");
    symlink("/dev/zero", at("endless")).expect("a link");
    make_pipe(&at("pipe"));
    symlink(at("pipe"), at("link to pipe")).expect("a link");
    let _socket = std::os::unix::net::UnixListener::bind(at("socket")).expect("a socket");
    let sparse = File::create(at("sparse")).expect("created");
    sparse.set_len(1 << 40).expect("sparse");
    let special = |kind| Err(Some(FileRefusal::Special(kind)));
    let cases = [
        ("text", Ok("four")),
        ("link", Ok("four")),
        ("bytes", Err(Some(FileRefusal::NotText))),
        ("long", Err(Some(FileRefusal::TooLarge { most: 4 }))),
        ("sparse", Err(Some(FileRefusal::TooLarge { most: 4 }))),
        (".", special(SpecialFile::Folder)),
        ("pipe", special(SpecialFile::NamedPipe)),
        ("link to pipe", special(SpecialFile::NamedPipe)),
        ("endless", special(SpecialFile::Device)),
        ("socket", special(SpecialFile::Socket)),
        ("nothing", Err(None)),
    ];
    for (name, expected) in cases {
        let read = read_text(&at(name), 4);
        let found = read.as_deref().map_err(FileRefusal::find);
        assert_eq!(found, expected, "{name}");
    }
    let error = read_text(&at("pipe"), 4).expect_err("a pipe");
    assert_eq!(error.to_string(), "is a named pipe, not a regular file");
    let error = read_bytes(&at("sparse"), MOST_TEXT_BYTES).expect_err("too large");
    assert_eq!(error.to_string(), "is larger than 16 MiB");
}

#[test]
fn file_that_grows_while_it_is_read_is_refused() {
    // Files in /proc have a length of 0 although they have content.
    let path = Path::new("/proc/self/status");
    assert!(read_bytes(path, MOST_TEXT_BYTES).is_ok_and(|bytes| bytes.len() > 10));
    let error = read_bytes(path, 10).expect_err("longer");
    assert_eq!(
        FileRefusal::find(&error),
        Some(FileRefusal::TooLarge { most: 10 })
    );
}

#[test]
fn special_files_are_opened_neither_for_writing_nor_as_folders() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("text"), "").expect("written");
    std::fs::create_dir(at("folder")).expect("a folder");
    symlink(at("text"), at("link")).expect("a link");
    symlink(at("folder"), at("folder link")).expect("a link");
    make_pipe(&at("pipe"));
    for (name, kind) in [
        ("pipe", SpecialFile::NamedPipe),
        ("folder", SpecialFile::Folder),
        ("link", SpecialFile::Link),
    ] {
        let mut append = OpenOptions::new();
        let opened = open_regular_with(
            &at(name),
            LinkRule::Refuse,
            append.append(true).create(true),
        );
        let error = opened.expect_err(name);
        assert_eq!(FileRefusal::find(&error), Some(FileRefusal::Special(kind)));
        let opened = open_folder(&at(name));
        assert_eq!(opened.is_ok(), kind == SpecialFile::Folder, "{name}");
    }
    assert!(open_folder(&at("folder link")).is_err());
}

fn list_names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> = entries
        .map(|entry| entry.expect("an entry").file_name().into_string())
        .map(|name| name.expect("text"))
        .collect();
    names.sort();
    names
}

#[test]
fn file_has_its_name_only_when_it_is_complete() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("record.json");
    std::fs::write(&path, "old").expect("written");
    let mut file = UnfinishedFile::create(&path).expect("created");
    file.write_all(b"new").expect("written");
    assert_eq!(read_text(&path, 10).expect("there"), "old");
    assert_eq!(list_names(folder.path()).len(), 2);
    drop(file);
    assert_eq!(list_names(folder.path()), ["record.json"]);
    write_whole(&path, b"new").expect("written");
    assert_eq!(read_text(&path, 10).expect("there"), "new");
    assert_eq!(list_names(folder.path()), ["record.json"]);
    // A link in the place of the file is replaced; the file to which it points is unchanged.
    let link = folder.path().join("link");
    symlink(&path, &link).expect("a link");
    write_whole(&link, b"newer").expect("written");
    assert_eq!(read_text(&path, 10).expect("there"), "new");
    assert!(link.symlink_metadata().expect("there").is_file());
}

#[test]
fn leftovers_are_removed_unless_they_are_in_use_or_belong_to_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let target = folder.path().join("x.so");
    let in_use = UnfinishedFile::create(&target).expect("created");
    let left = name_unfinished(&target);
    std::fs::write(&left, "half").expect("written");
    let set = name_unfinished(&folder.path().join("set"));
    std::fs::create_dir_all(set.join("inside")).expect("a folder");
    let held = name_unfinished(&folder.path().join("held"));
    std::fs::create_dir(&held).expect("a folder");
    let claim = open_folder(&held).expect("there");
    claim.try_lock().expect("locked");
    let pipe = name_unfinished(&folder.path().join("pipe"));
    make_pipe(&pipe);
    for other in ["x.so", "notes.tmp", "x.so.12345.tmp"] {
        std::fs::write(folder.path().join(other), "").expect("written");
    }
    remove_leftovers(folder.path());
    assert!(!left.exists() && !set.exists());
    assert!(in_use.beside.exists() && held.exists() && pipe.exists());
    assert_eq!(list_names(folder.path()).len(), 6);
    in_use.finish().expect("finished");
    assert_eq!(list_names(folder.path()).len(), 5);
}

#[test]
fn named_file_keeps_its_kind() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    std::fs::write(at("file"), "old").expect("written");
    symlink(at("file"), at("link")).expect("a link");
    symlink(at("nothing yet"), at("dangling")).expect("a link");
    for name in ["link", "dangling", "new"] {
        write_named(&at(name), b"text").expect(name);
        assert_eq!(read_text(&at(name), 10).expect(name), "text", "{name}");
    }
    assert!(at("link").is_symlink() && at("dangling").is_symlink());
    assert_eq!(read_text(&at("file"), 10).expect("there"), "text");
    write_named(Path::new("/dev/null"), b"text").expect("a device");
    assert!(write_named(folder.path(), b"text").is_err());
}
