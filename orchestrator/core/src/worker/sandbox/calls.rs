//! System calls of a sandboxed worker: seccomp filters for the operations that landlock does not
//! cover.
//!
//! The lists are short on purpose. A call is on one of them if it reaches beyond the worker and no
//! honest workload needs it.

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, sock_filter,
};
use std::collections::BTreeMap;
use std::io;

/// Calls that are refused with "Operation not permitted", whatever the arguments.
const REFUSED: &[i64] = &[
    // These calls reach the network, and servers that listen in the file system: those of docker,
    // systemd or a desktop execute requests. The rules below cover pairs of sockets.
    libc::SYS_socket,
    // These calls reach memory and descriptors of other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    // These calls enter other namespaces, in which a plugin would be root.
    libc::SYS_unshare,
    libc::SYS_setns,
    // These calls reach keys of the user's session.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    // These calls are ways into the kernel.
    libc::SYS_bpf,
    libc::SYS_userfaultfd,
    // These calls make memory that outlives the worker and counts towards none of its limits.
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_semget,
    libc::SYS_semctl,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_msgget,
    libc::SYS_msgctl,
    libc::SYS_msgsnd,
    libc::SYS_msgrcv,
    libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    // File handles bypass the rules for paths.
    libc::SYS_open_by_handle_at,
];

/// Calls that are answered with ENOSYS, as by a kernel without them. Programs then use the older
/// call, whose arguments a filter can inspect.
const ABSENT: &[i64] = &[
    libc::SYS_clone3,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
];

/// Calls that are answered with success, but not executed. Landlock lets every process change the
/// mode, owner, times and attributes of any file. Refusing these calls would break every program
/// that copies a file into its scratch folder.
const WITHOUT_EFFECT: &[i64] = &[
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    FCHMODAT2,
    SETXATTRAT,
    REMOVEXATTRAT,
    FILE_SETATTR,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_utimensat,
    libc::SYS_setxattr,
    libc::SYS_lsetxattr,
    libc::SYS_fsetxattr,
    libc::SYS_removexattr,
    libc::SYS_lremovexattr,
    libc::SYS_fremovexattr,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lchown,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utime,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_utimes,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_futimesat,
];

/// Number of `fchmodat2`, which is the same on all architectures, and newer than the C library's
/// list.
const FCHMODAT2: i64 = 452;
const SETXATTRAT: i64 = 463;
const REMOVEXATTRAT: i64 = 466;
const FILE_SETATTR: i64 = 469;
/// First number of the calls that did not exist when the lists were made, so that their reach is
/// unknown.
const FIRST_UNKNOWN: u32 = 470;

/// Flags of `clone` that request another namespace.
const NAMESPACES: u32 = (libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP)
    .unsigned_abs();

/// Returns whether the kernel supports filters that answer with an error.
pub(super) fn are_offered() -> bool {
    let action = libc::SECCOMP_RET_ERRNO;
    // SAFETY: the kernel reads one number from the address of `action`.
    unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_GET_ACTION_AVAIL,
            0,
            &raw const action,
        ) == 0
    }
}

/// Filters the calls of the calling thread. If landlock does not block signals, the filter does so,
/// more coarsely.
pub(super) fn restrict_calls(signals_scoped: bool) -> io::Result<()> {
    compile_filters(signals_scoped)?
        .iter()
        .try_for_each(|filter| install_filter(filter))
}

/// Rules for calls. A call gets the answer if one of its rules applies, or if it has none.
type CallRules = BTreeMap<i64, Vec<SeccompRule>>;

/// Compiles one filter for each answer, because seccompiler has one answer per filter. The kernel
/// runs all of them and takes the strictest answer; no call gets two.
fn compile_filters(signals_scoped: bool) -> io::Result<[BpfProgram; 3]> {
    let refused = compile_filter(rules_of_refused(signals_scoped)?, libc::EPERM)?;
    let absent = compile_filter(always(ABSENT), libc::ENOSYS)?;
    let without_effect = compile_filter(rules_without_effect()?, 0)?;
    let absent = [&answer_unknown_calls()[..], &absent].concat();
    Ok([refused, absent, without_effect])
}

/// Compiles a filter that answers with an error number; 0 is success. A call with the number of
/// another architecture ends the process.
fn compile_filter(rules: CallRules, errno: i32) -> io::Result<BpfProgram> {
    let answer = SeccompAction::Errno(errno.unsigned_abs());
    SeccompFilter::new(rules, SeccompAction::Allow, answer, OWN_ARCHITECTURE)
        .and_then(BpfProgram::try_from)
        .map_err(io::Error::other)
}

#[cfg(target_arch = "x86_64")]
const OWN_ARCHITECTURE: TargetArch = TargetArch::x86_64;
#[cfg(target_arch = "aarch64")]
const OWN_ARCHITECTURE: TargetArch = TargetArch::aarch64;

/// Commands that set the process to which a file sends signals (linux/fcntl.h, asm-generic/fcntl.h,
/// asm-generic/sockios.h).
const SET_OWNER: [u32; 2] = [8, 15];
const SET_OWNER_OF_SOCKET: [u32; 2] = [0x8901, 0x8902];

fn always(calls: &[i64]) -> CallRules {
    calls.iter().map(|call| (*call, Vec::new())).collect()
}

fn rules_of_refused(signals_scoped: bool) -> io::Result<CallRules> {
    let mut rules = always(REFUSED);
    if !signals_scoped {
        let own = std::process::id();
        rules.append(&mut always(&[libc::SYS_tkill, libc::SYS_pidfd_send_signal]));
        for call in [
            libc::SYS_kill,
            libc::SYS_tgkill,
            libc::SYS_rt_sigqueueinfo,
            libc::SYS_rt_tgsigqueueinfo,
        ] {
            rules.insert(call, unless_all_are(&[(0, own)])?);
        }
        // A file can be made to send any signal to its owner.
        rules.insert(libc::SYS_fcntl, if_argument_is(1, &SET_OWNER)?);
        rules.insert(libc::SYS_ioctl, if_argument_is(1, &SET_OWNER_OF_SOCKET)?);
    }
    rules.insert(libc::SYS_clone, if_argument_has(0, NAMESPACES)?);
    // A pair of streams gives no access to the outside. A datagram socket can send to any path,
    // whether it is part of a pair or not.
    const DATAGRAMS: u32 = 2;
    rules.insert(libc::SYS_socketpair, if_argument_has(1, DATAGRAMS)?);
    // With process id 0, these calls affect the caller; groups and users include other processes.
    const A_PROCESS: u32 = 1;
    for call in [
        libc::SYS_prlimit64,
        libc::SYS_sched_setscheduler,
        libc::SYS_sched_setparam,
        libc::SYS_sched_setattr,
    ] {
        rules.insert(call, unless_all_are(&[(0, 0)])?);
    }
    rules.insert(
        libc::SYS_setpriority,
        unless_all_are(&[(0, libc::PRIO_PROCESS), (1, 0)])?,
    );
    rules.insert(
        libc::SYS_ioprio_set,
        unless_all_are(&[(0, A_PROCESS), (1, 0)])?,
    );
    Ok(rules)
}

fn rules_without_effect() -> io::Result<CallRules> {
    let mut rules = always(WITHOUT_EFFECT);
    // A worker must end with its orch, even if the plugin tries to prevent it.
    let death_signal = [libc::PR_SET_PDEATHSIG.unsigned_abs()];
    rules.insert(libc::SYS_prctl, if_argument_is(0, &death_signal)?);
    Ok(rules)
}

/// Returns rules that apply if one of the arguments differs from the given value.
fn unless_all_are(arguments: &[(u8, u32)]) -> io::Result<Vec<SeccompRule>> {
    let differs = |(argument, value): &(u8, u32)| rule(*argument, SeccompCmpOp::Ne, *value);
    arguments.iter().map(differs).collect()
}

/// Returns rules that apply if the argument is one of the given values.
fn if_argument_is(argument: u8, values: &[u32]) -> io::Result<Vec<SeccompRule>> {
    let is = |value: &u32| rule(argument, SeccompCmpOp::Eq, *value);
    values.iter().map(is).collect()
}

/// Returns rules that apply if the argument has any of the bits.
fn if_argument_has(argument: u8, bits: u32) -> io::Result<Vec<SeccompRule>> {
    (0..u32::BITS)
        .map(|place| bits & (1 << place))
        .filter(|bit| *bit != 0)
        .map(|bit| rule(argument, SeccompCmpOp::MaskedEq(bit.into()), bit))
        .collect()
}

/// Returns a rule for the lower half of an argument. The kernel ignores the upper halves of all
/// arguments that are compared here.
fn rule(argument: u8, operator: SeccompCmpOp, value: u32) -> io::Result<SeccompRule> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value.into())
        .and_then(|condition| SeccompRule::new(vec![condition]))
        .map_err(io::Error::other)
}

/// Returns instructions that answer all calls from a number on; the filter continues with the
/// others. On x86-64, there is a second, large number for each call, for programs with short
/// pointers; these numbers are treated as absent. seccompiler compares only with single numbers.
fn answer_unknown_calls() -> [sock_filter; 3] {
    const LOAD_NUMBER: u16 = 0x20;
    const JUMP_IF_AT_LEAST: u16 = 0x35;
    const RETURN: u16 = 0x06;
    let step = |code, jf, k| sock_filter { code, jt: 0, jf, k };
    let absent = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    [
        step(LOAD_NUMBER, 0, 0),
        step(JUMP_IF_AT_LEAST, 1, FIRST_UNKNOWN),
        step(RETURN, 0, absent.into()),
    ]
}

/// Installs a filter with a flag that seccompiler does not pass. Without it, kernels before 5.16
/// slow down a filtered thread with defences against speculation, which would affect its times.
fn install_filter(program: &[sock_filter]) -> io::Result<()> {
    let filter = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(io::Error::other)?,
        filter: program.as_ptr().cast_mut().cast(),
    };
    let install = |flags: libc::c_ulong| {
        let mode = libc::SECCOMP_SET_MODE_FILTER;
        // SAFETY: the kernel copies the program, whose length is given, and does not change it.
        match unsafe { libc::syscall(libc::SYS_seccomp, mode, flags, &raw const filter) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    };
    match install(libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW) {
        // Kernels before 4.17 do not support the flag.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => install(0),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs `act` with the filters on a thread of its own, because filters apply to a thread.
    fn filtered<T: Send + 'static>(
        signals_scoped: bool,
        test: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        std::thread::spawn(move || {
            rustix::thread::set_no_new_privs(true).unwrap();
            restrict_calls(signals_scoped).unwrap();
            test()
        })
        .join()
        .unwrap()
    }

    fn errno(result: i64) -> i32 {
        if result >= 0 {
            0
        } else {
            io::Error::last_os_error().raw_os_error().unwrap_or(0)
        }
    }

    #[cfg(target_arch = "x86_64")]
    const ARCHITECTURE: u32 = 0xc000_003e;
    #[cfg(target_arch = "aarch64")]
    const ARCHITECTURE: u32 = 0xc000_00b7;

    /// Runs the filters as the kernel does.
    fn answer(filters: &[BpfProgram], call: i64, arguments: [u32; 2]) -> u32 {
        let answers = filters.iter().map(|filter| run(filter, call, arguments));
        answers
            .min_by_key(|answer| (answer & libc::SECCOMP_RET_ACTION_FULL).cast_signed())
            .expect("there are filters")
    }

    fn run(filter: &[sock_filter], call: i64, arguments: [u32; 2]) -> u32 {
        let (mut at, mut value) = (0, 0);
        loop {
            let step = &filter[at];
            at += 1;
            let holds = match step.code {
                0x06 => return step.k,
                0x20 => {
                    value = match step.k {
                        0 => call as u32,
                        4 => ARCHITECTURE,
                        16 => arguments[0],
                        _ => arguments[1],
                    };
                    continue;
                }
                0x54 => {
                    value &= step.k;
                    continue;
                }
                0x05 => {
                    at += step.k as usize;
                    continue;
                }
                0x15 => value == step.k,
                0x35 => value >= step.k,
                other => panic!("unknown instruction {other:#x}"),
            };
            at += usize::from(if holds { step.jt } else { step.jf });
        }
    }

    #[test]
    fn call_number_gets_the_answer_of_its_list() {
        let filters = compile_filters(true).unwrap();
        let refused = libc::SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs();
        for call in 0..512 {
            let expected = if REFUSED.contains(&call) {
                refused
            } else if ABSENT.contains(&call) || call >= FIRST_UNKNOWN.into() {
                libc::SECCOMP_RET_ERRNO | libc::ENOSYS.unsigned_abs()
            } else if WITHOUT_EFFECT.contains(&call) {
                libc::SECCOMP_RET_ERRNO
            } else if call == libc::SYS_ioprio_set {
                refused
            } else {
                libc::SECCOMP_RET_ALLOW
            };
            assert_eq!(answer(&filters, call, [0, 0]), expected, "{call}");
        }
        assert_eq!(
            answer(&filters, libc::SYS_ioprio_set, [1, 0]),
            libc::SECCOMP_RET_ALLOW
        );
        assert_eq!(answer(&filters, libc::SYS_clone, [NAMESPACES, 0]), refused);
        assert_eq!(answer(&filters, libc::SYS_prlimit64, [1, 0]), refused);
        let kind = |kind: i32| {
            answer(
                &filters,
                libc::SYS_socketpair,
                [1, (kind | libc::SOCK_CLOEXEC).unsigned_abs()],
            )
        };
        assert_eq!(
            [libc::SOCK_STREAM, libc::SOCK_SEQPACKET].map(kind),
            [libc::SECCOMP_RET_ALLOW; 2]
        );
        assert_eq!([libc::SOCK_DGRAM, libc::SOCK_RAW].map(kind), [refused; 2]);
        assert_eq!(
            answer(&filters, libc::SYS_prctl, [1, 0]),
            libc::SECCOMP_RET_ERRNO
        );
        assert_eq!(
            answer(&filters, libc::SYS_prctl, [4, 0]),
            libc::SECCOMP_RET_ALLOW
        );
    }

    #[test]
    fn call_list_has_its_answer() {
        if !are_offered() {
            return;
        }
        // SAFETY: none of these calls has an effect, because the filter answers them.
        let found = filtered(true, || unsafe {
            [
                errno(libc::syscall(
                    libc::SYS_socket,
                    libc::AF_INET,
                    libc::SOCK_STREAM,
                    0,
                )),
                errno(libc::syscall(libc::SYS_clone3, 0, 0)),
                errno(libc::syscall(
                    libc::SYS_chmod,
                    c"/nowhere/at/all".as_ptr(),
                    0,
                )),
                errno(libc::syscall(libc::SYS_getpid | 0x4000_0000)),
                errno(libc::syscall(
                    libc::SYS_setpriority,
                    libc::PRIO_PROCESS,
                    libc::getppid(),
                    0,
                )),
                errno(libc::syscall(libc::SYS_setpriority, libc::PRIO_PGRP, 0, 0)),
                errno(libc::syscall(
                    libc::SYS_setpriority,
                    libc::PRIO_PROCESS,
                    0,
                    0,
                )),
                errno(libc::syscall(
                    libc::SYS_clone,
                    libc::CLONE_NEWUSER | libc::SIGCHLD,
                    0,
                    0,
                    0,
                    0,
                )),
                errno(libc::syscall(
                    libc::SYS_prlimit64,
                    libc::getppid(),
                    libc::RLIMIT_CORE,
                    0,
                    0,
                )),
                errno(libc::syscall(
                    libc::SYS_prlimit64,
                    0,
                    libc::RLIMIT_CORE,
                    0,
                    0,
                )),
                errno(libc::syscall(libc::SYS_kill, libc::getppid(), 0)),
            ]
        });
        let expected = [
            libc::EPERM,
            libc::ENOSYS,
            0,
            libc::ENOSYS,
            libc::EPERM,
            libc::EPERM,
            0,
            libc::EPERM,
            libc::EPERM,
            0,
            0,
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn signals_without_landlock_reach_only_the_worker() {
        if !are_offered() {
            return;
        }
        // SAFETY: signal 0 only tests whether a signal could be sent.
        let found = filtered(false, || unsafe {
            [libc::getpid(), 0, libc::getppid(), -1, -libc::getppid()]
                .map(|pid| errno(libc::kill(pid, 0).into()))
        });
        assert_eq!(
            found,
            [0, libc::EPERM, libc::EPERM, libc::EPERM, libc::EPERM]
        );
        // SAFETY: the owner of standard error is read; setting it fails.
        let owned = filtered(false, || unsafe {
            let owner = libc::getppid();
            [
                errno(libc::fcntl(2, libc::F_SETOWN, owner).into()),
                errno(libc::fcntl(2, 15, &raw const owner).into()),
                errno(libc::ioctl(2, 0x8901, &raw const owner).into()),
                errno(libc::fcntl(2, libc::F_GETFD).into()),
            ]
        });
        assert_eq!(owned, [libc::EPERM, libc::EPERM, libc::EPERM, 0]);
    }
}
