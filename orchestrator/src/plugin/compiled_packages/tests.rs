//! Tests of the store of compiled packages, with plain files in place of compiled ones.

use super::*;
use serde_json::json;
use std::time::Duration;

const HASHES: [&str; 3] = ["00000000000000aa", "00000000000000bb", "00000000000000cc"];

fn write_file(path: &Path, text: &str) {
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    std::fs::write(path, text).expect("written");
}

/// Writes a profile's folder with a package of a registry, its build script, and a package of a
/// folder. Returns cargo's messages.
fn write_profile(root: &Path, fresh: bool) -> String {
    let [library, script, local] = HASHES;
    for file in [
        format!("deps/libserde-{library}.rlib"),
        format!("deps/serde-{library}.d"),
        format!(".fingerprint/serde-{library}/lib-serde"),
        format!("build/serde-{script}/out/private.rs"),
        format!(".fingerprint/serde-{script}/run-build-script-build-script-build"),
        format!("deps/libserde-{local}.rlib"),
        format!(".fingerprint/serde-{local}/lib-serde"),
    ] {
        write_file(&root.join(&file), &file);
    }
    let id = "registry+https://example.org/index#serde@1.2.3";
    let file = |hash: &str| format!("{}/deps/libserde-{hash}.rlib", root.display());
    let artifact = |id: &str, hash: &str| {
        let reason = "compiler-artifact";
        json!({ "reason": reason, "package_id": id, "fresh": fresh, "filenames": [file(hash)] })
    };
    let out = format!("{}/build/serde-{script}/out", root.display());
    let lines = [
        artifact(id, library),
        json!({ "reason": "build-script-executed", "package_id": id, "out_dir": out }),
        artifact("path+file:///p#serde@1.2.3", local),
    ];
    lines.map(|line| line.to_string() + "\n").concat()
}

fn list_paths(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                open.push(entry.path());
            } else {
                found.push(
                    entry
                        .path()
                        .strip_prefix(root)
                        .expect("inside")
                        .display()
                        .to_string(),
                );
            }
        }
    }
    found.sort();
    found
}

#[test]
fn packages_of_registries_are_lent_with_their_times_and_no_others() {
    let folder = tempfile::tempdir().expect("a folder");
    cache::OF_THIS_TEST.set(Some(folder.path().join("cache")));
    let store = PackageStore::open(&["-Cone".to_owned()]).expect("opened");
    assert!(store.is_empty());
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    let messages = write_profile(&first, false);
    let old = SystemTime::now() - Duration::from_secs(1000);
    let library = format!("deps/libserde-{}.rlib", HASHES[0]);
    std::fs::File::options()
        .write(true)
        .open(first.join(&library))
        .expect("there")
        .set_modified(old)
        .expect("set");
    store.add_packages(&messages, &first).expect("added");
    store.add_packages(&messages, &first).expect("added once");
    let lock = |version: &str, source: &str| {
        format!("version = 4\n[[package]]\nname = \"serde\"\nversion = \"{version}\"\n{source}")
    };
    let registry = "source = \"registry+https://example.org/index\"\n";
    for (version, source) in [("1.2.4", registry), ("1.2.3", "")] {
        store.lend_packages(&lock(version, source), &second);
        assert_eq!(
            list_paths(&second),
            Vec::<String>::new(),
            "{version} {source}"
        );
    }
    store.lend_packages(&lock("1.2.3", registry), &second);
    let mut expected = list_paths(&first);
    expected.retain(|name| !name.contains(HASHES[2]));
    assert_eq!(expected.len(), 5);
    assert_eq!(list_paths(&second), expected);
    assert_eq!(
        second
            .join(&library)
            .metadata()
            .and_then(|about| about.modified())
            .expect("a time"),
        old
    );
    assert!(
        PackageStore::open(&["-Cother".to_owned()])
            .expect("opened")
            .is_empty()
    );
}

#[test]
fn sets_of_two_builds_are_not_mixed() {
    let folder = tempfile::tempdir().expect("a folder");
    cache::OF_THIS_TEST.set(Some(folder.path().join("cache")));
    let store = PackageStore::open(&[]).expect("opened");
    let root = |name: &str| folder.path().join(name);
    let messages = write_profile(&root("first"), false);
    store
        .add_packages(&messages, &root("first"))
        .expect("added");
    // Another build compiled the same package and one more.
    let more = messages
        .replace("serde@1.2.3", "other@1.0.0")
        .replace("serde", "other");
    let more = more.replace("00000000000000aa", "00000000000000dd");
    let second = write_profile(&root("second"), false).replace("first", "second") + &more;
    write_file(
        &root("second/deps/libother-00000000000000dd.rlib"),
        "other of the second",
    );
    write_file(
        &root("second/deps/libserde-00000000000000aa.rlib"),
        "serde of the second",
    );
    store.add_packages(&second, &root("second")).expect("added");
    assert_eq!(store.list_sets().len(), 2);
    let package = |name: &str, version: &str| {
        format!(
            "[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n\
             source = \"registry+https://example.org/index\"\n"
        )
    };
    let lock = package("serde", "1.2.3") + &package("other", "1.0.0");
    store.lend_packages(&lock, &root("third"));
    let read = |name: &str| std::fs::read_to_string(root("third/deps").join(name)).expect(name);
    assert_eq!(
        read("libother-00000000000000dd.rlib"),
        "other of the second"
    );
    assert_eq!(
        read("libserde-00000000000000aa.rlib"),
        "serde of the second"
    );
}

#[test]
fn builds_that_compiled_no_package_add_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    cache::OF_THIS_TEST.set(Some(folder.path().join("cache")));
    let store = PackageStore::open(&[]).expect("opened");
    let messages = write_profile(&folder.path().join("first"), true);
    store
        .add_packages(&messages, &folder.path().join("first"))
        .expect("looked at");
    assert!(store.is_empty());
}

#[test]
fn damaged_set_is_removed_and_not_lent() {
    let folder = tempfile::tempdir().expect("a folder");
    cache::OF_THIS_TEST.set(Some(folder.path().join("cache")));
    let store = PackageStore::open(&[]).expect("opened");
    let [first, second] = ["first", "second"].map(|name| folder.path().join(name));
    let lock = "[[package]]\nname = \"serde\"\nversion = \"1.2.3\"\n\
        source = \"registry+https://example.org/index\"\n";
    let damages: [&dyn Fn(&Path); 2] = [
        &|set| {
            let unit = format!("serde@1.2.3@{}", HASHES[0]);
            let library = format!("deps/libserde-{}.rlib", HASHES[0]);
            std::fs::write(set.join(unit).join(library), "").expect("written");
        },
        &|set| std::fs::remove_file(set.join("index.json")).expect("removed"),
    ];
    for (damage, expected) in damages.into_iter().zip([1, 0]) {
        let messages = write_profile(&first, false);
        store.add_packages(&messages, &first).expect("added");
        damage(&store.list_sets()[0]);
        assert_eq!(store.lend_packages(lock, &second).len(), expected);
        assert_eq!(list_paths(&second), Vec::<String>::new());
        assert!(store.is_empty());
    }
    // A set without an index is replaced by a build that would add it.
    let messages = write_profile(&first, false);
    store.add_packages(&messages, &first).expect("added");
    damages[1](&store.list_sets()[0]);
    store.add_packages(&messages, &first).expect("added");
    assert!(store.lend_packages(lock, &second).is_empty());
    assert_eq!(list_paths(&second).len(), 5);
}

#[test]
fn sets_that_killed_builds_left_are_removed() {
    let folder = tempfile::tempdir().expect("a folder");
    cache::OF_THIS_TEST.set(Some(folder.path().join("cache")));
    let store = PackageStore::open(&[]).expect("opened");
    let left = file::name_unfinished(&store.folder.join("set"));
    write_file(&left.join("p@1.0.0@00000000000000aa/deps/file"), "half");
    let in_use = file::name_unfinished(&store.folder.join("set"));
    write_file(&in_use.join("file"), "half");
    let claim = file::open_folder(&in_use).expect("there");
    assert!(file::claim_unfinished(&claim));
    assert!(store.is_empty(), "neither is a complete set");
    let first = folder.path().join("first");
    let messages = write_profile(&first, false);
    store.add_packages(&messages, &first).expect("added");
    assert!(!left.exists() && in_use.exists());
    let entries = std::fs::read_dir(&store.folder).expect("a folder");
    assert_eq!(entries.count(), 2, "one set, and one that is being written");
    // A build that fails midway leaves nothing.
    let second = folder.path().join("second");
    let messages = write_profile(&second, false).replace("1.2.3", "1.2.4");
    let profile = second.join("deps/libserde-00000000000000aa.rlib");
    std::fs::remove_file(&profile).expect("removed");
    std::fs::create_dir(&profile).expect("a folder");
    std::os::unix::fs::symlink("/nowhere/x", profile.join("link")).expect("a link");
    store.add_packages(&messages, &second).expect("added");
    let entries = std::fs::read_dir(&store.folder).expect("a folder");
    assert_eq!(entries.count(), 3);
}

#[test]
fn store_removes_the_set_that_was_not_lent_for_the_longest_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = PackageStore {
        folder: folder.path().to_owned(),
        size_limit: 20 << 10,
    };
    for (number, age) in [(1, 30), (2, 10), (3, 20)] {
        let set = folder.path().join(format!("set{number}"));
        write_file(
            &set.join("p@1.0.0@00000000000000aa/deps/file"),
            &"x".repeat(8 << 10),
        );
        let time = SystemTime::now() - Duration::from_secs(age);
        std::fs::File::open(&set)
            .and_then(|set| set.set_modified(time))
            .expect("set");
    }
    store.remove_oldest().expect("removed");
    let mut left = store.list_sets();
    left.sort();
    assert_eq!(left, ["set2", "set3"].map(|name| folder.path().join(name)));
}
