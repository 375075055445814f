//! Files of a sandboxed worker: landlock rules for the files that every program needs, and for the
//! granted ones.

use crate::protocol::SandboxGrants;
use landlock::{
    ABI, Access, AccessFs, BitFlags, PathBeneath, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope, path_beneath_rules,
};
use rustix::fs::{FileType, Mode, OFlags, ResolveFlags};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Newest landlock interface with which this was tested. On an older kernel, the library leaves out
/// unsupported rights.
const TRIED: ABI = ABI::V7;

/// Folders of programs and their libraries, for reading and executing.
const SYSTEM: [&str; 16] = [
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/opt",
    "/nix/store",
    "/gnu/store",
    "/run/current-system",
    "/run/opengl-driver",
    // A process sees itself here, and as much of others as `ps` shows. Landlock protects the memory
    // and environment of the others.
    "/proc",
    "/sys/devices/system",
    "/sys/fs/cgroup",
    "/sys/kernel/mm",
];

/// Configuration that libraries read. The rest of /etc is left out, because it contains passwords
/// and keys.
const CONFIGURATION: [&str; 15] = [
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
    "/etc/nsswitch.conf",
    "/etc/passwd",
    "/etc/group",
    "/etc/localtime",
    "/etc/timezone",
    "/etc/locale.alias",
    "/etc/os-release",
    "/etc/ssl/openssl.cnf",
    "/etc/crypto-policies",
    "/etc/OpenCL",
    "/etc/vulkan",
    "/etc/fonts",
    "/etc/python3",
];

const DEVICES: [&str; 5] = [
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
];

/// Returns the paths from the lists above that exist on this machine, without duplicates: a rule
/// costs microseconds in every worker, and /bin is usually a part of /usr. The result is computed
/// once, by orch.
pub fn system_paths() -> &'static [PathBuf] {
    static SYSTEM_HERE: OnceLock<Vec<PathBuf>> = OnceLock::new();
    SYSTEM_HERE.get_or_init(|| {
        let mut found: Vec<PathBuf> = Vec::new();
        for path in SYSTEM.iter().chain(&CONFIGURATION) {
            if let Ok(real) = std::fs::canonicalize(path)
                && !found.iter().any(|known| real.starts_with(known))
            {
                found.push(real);
            }
        }
        found
    })
}

/// Returns the version of the landlock interface; `None` if it is not built in or not active.
pub(super) fn landlock_version() -> Option<u32> {
    const ASK_VERSION: libc::c_uint = 1;
    let nothing = std::ptr::null::<libc::c_void>();
    // SAFETY: with this flag, the kernel reads no structure and only returns a number.
    let version = unsafe {
        libc::syscall(
            libc::SYS_landlock_create_ruleset,
            nothing,
            0usize,
            ASK_VERSION,
        )
    };
    u32::try_from(version).ok().filter(|version| *version > 0)
}

/// Denies the calling thread all files except a few devices and those in `grants`. Also denies
/// signals and abstract sockets to processes outside this sandbox.
pub(super) fn restrict_files(grants: &SandboxGrants, library: &Path) -> io::Result<()> {
    let ruleset = build_ruleset(grants, library).map_err(io::Error::other)?;
    let status = ruleset.restrict_self().map_err(io::Error::other)?;
    match status.ruleset {
        RulesetStatus::NotEnforced => Err(io::Error::other(
            "the kernel offers it but does not enforce it",
        )),
        _ => Ok(()),
    }
}

fn build_ruleset(grants: &SandboxGrants, library: &Path) -> Result<RulesetCreated, RulesetError> {
    let read = AccessFs::from_read(TRIED);
    let use_device =
        AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::Truncate | AccessFs::IoctlDev;
    let ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(TRIED))?
        .scope(Scope::from_all(TRIED))?
        .create()?
        .add_rules(path_beneath_rules(DEVICES, use_device))?;
    let read_only = std::iter::once(library).chain(grants.read.iter().map(AsRef::as_ref));
    let ruleset = add_named_paths(ruleset, read_only, open, read)?;
    let ruleset = add_named_paths(
        ruleset,
        grants.write.iter().map(AsRef::as_ref),
        open_without_links,
        read_and_write(),
    )?;
    add_named_paths(
        ruleset,
        grants.scratch.iter().map(AsRef::as_ref),
        open,
        read_and_write(),
    )
}

fn open(path: &Path) -> rustix::io::Result<OwnedFd> {
    rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
}

/// Opens a writable path without following links. Such paths were resolved before the first worker
/// started, so a link in one was put there by a worker.
fn open_without_links(path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    rustix::fs::openat2(
        rustix::fs::CWD,
        path,
        flags,
        Mode::empty(),
        ResolveFlags::NO_SYMLINKS,
    )
}

/// Returns all rights except creating devices and sockets, to which no process could connect.
fn read_and_write() -> BitFlags<AccessFs> {
    AccessFs::from_all(TRIED) & !(AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::MakeSock)
}

/// Adds rules for paths from the scenario or the parameters. A path that no longer exists does not
/// exist for the plugin either.
fn add_named_paths<'a>(
    mut ruleset: RulesetCreated,
    paths: impl Iterator<Item = &'a Path>,
    open: impl Fn(&Path) -> rustix::io::Result<OwnedFd>,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    for path in paths {
        let Ok(descriptor) = open(path) else { continue };
        let is_folder = rustix::fs::fstat(&descriptor)
            .is_ok_and(|about| FileType::from_raw_mode(about.st_mode).is_dir());
        // Only some of the rights apply to a file; the kernel would refuse the others.
        let access = if is_folder {
            access
        } else {
            access & AccessFs::from_file(TRIED)
        };
        ruleset = ruleset.add_rule(PathBeneath::new(descriptor, access))?;
    }
    Ok(ruleset)
}
