//! System calls of a sandboxed worker: seccomp filters for the operations that landlock does not
//! cover.
//!
//! The lists are short on purpose. A call is on one of them if it reaches beyond the worker and no
//! honest workload needs it.

use libc::sock_filter;
use std::io;

/// Refused with "Operation not permitted", whatever the arguments.
const REFUSED: &[i64] = &[
    // The network, and servers that listen in the file system: those of docker, systemd or a
    // desktop execute requests. The rules below cover pairs of sockets.
    libc::SYS_socket,
    // Memory and descriptors of other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    // Other namespaces, in which a plugin would be root.
    libc::SYS_unshare,
    libc::SYS_setns,
    // Keys of the user's session.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    // Ways into the kernel.
    libc::SYS_bpf,
    libc::SYS_userfaultfd,
    // Memory that outlives the worker and counts towards none of its limits.
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

/// Answered with ENOSYS, as by a kernel without them. Programs then use the older call, whose
/// arguments a filter can inspect.
const ABSENT: &[i64] = &[
    libc::SYS_clone3,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
];

/// Answered with success, but not executed. Landlock lets every process change the mode, owner,
/// times and attributes of any file. Refusing these calls would break every program that copies a
/// file into its scratch folder.
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

/// The number is the same on all architectures, and newer than the C library's list.
const FCHMODAT2: i64 = 452;
const SETXATTRAT: i64 = 463;
const REMOVEXATTRAT: i64 = 466;
const FILE_SETATTR: i64 = 469;
/// Calls from this number on did not exist when the lists were made, so their reach is unknown.
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

/// Whether the kernel supports filters that answer with an error.
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
    install_filter(&assemble_filter(signals_scoped))
}

/// Assembles the filter that the kernel runs for each call.
///
/// It is assembled here and not by seccompiler, which has one answer per filter and compares with
/// each call in turn. Its three filters took 0.24 ms to install, a tenth of a worker's time,
/// because the kernel runs a new filter once for each existing call.
fn assemble_filter(signals_scoped: bool) -> Vec<sock_filter> {
    let mut rules = rules(signals_scoped);
    rules.sort_by_key(|rule| rule.call);
    let mut program = check_architecture();
    for group in rules.chunks(GROUP) {
        program.append(&mut compare_group(group));
    }
    program.push(ret(libc::SECCOMP_RET_ALLOW));
    program
}

/// Rule for one call: instructions that end in an answer.
struct CallRule {
    call: i64,
    then: Vec<sock_filter>,
}

/// Commands that set the process to which a file sends signals (linux/fcntl.h, asm-generic/fcntl.h,
/// asm-generic/sockios.h).
const SET_OWNER: [u32; 2] = [8, 15];
const SET_OWNER_OF_SOCKET: [u32; 2] = [0x8901, 0x8902];

/// Number of calls that are compared one by one: about the square root of their total number.
const GROUP: usize = 8;

fn rules(signals_scoped: bool) -> Vec<CallRule> {
    let mut rules = Vec::new();
    let mut add = |calls: &[i64], then: &dyn Fn() -> Vec<sock_filter>| {
        rules.extend(calls.iter().map(|call| CallRule {
            call: *call,
            then: then(),
        }));
    };
    add(REFUSED, &|| vec![answer_with(libc::EPERM)]);
    add(ABSENT, &|| vec![answer_with(libc::ENOSYS)]);
    add(WITHOUT_EFFECT, &|| vec![answer_with(0)]);
    if !signals_scoped {
        let own = std::process::id();
        add(&[libc::SYS_tkill, libc::SYS_pidfd_send_signal], &|| {
            vec![answer_with(libc::EPERM)]
        });
        add(
            &[
                libc::SYS_kill,
                libc::SYS_tgkill,
                libc::SYS_rt_sigqueueinfo,
                libc::SYS_rt_tgsigqueueinfo,
            ],
            &|| refuse_unless_all_are(&[(0, own)]),
        );
        // A file can be made to send any signal to its owner.
        add(&[libc::SYS_fcntl], &|| {
            answer_if_argument_is(1, &SET_OWNER, libc::EPERM)
        });
        add(&[libc::SYS_ioctl], &|| {
            answer_if_argument_is(1, &SET_OWNER_OF_SOCKET, libc::EPERM)
        });
    }
    add(&[libc::SYS_clone], &|| {
        refuse_if_argument_has(0, NAMESPACES)
    });
    // A pair of streams gives no access to the outside. A datagram socket can send to any path,
    // whether it is part of a pair or not.
    const DATAGRAMS: u32 = 2;
    add(&[libc::SYS_socketpair], &|| {
        refuse_if_argument_has(1, DATAGRAMS)
    });
    // A worker must end with its orch, even if the plugin tries to prevent it.
    add(&[libc::SYS_prctl], &|| {
        answer_if_argument_is(0, &[libc::PR_SET_PDEATHSIG.unsigned_abs()], 0)
    });
    // With process id 0, these calls affect the caller; groups and users include other processes.
    const A_PROCESS: u32 = 1;
    add(
        &[
            libc::SYS_prlimit64,
            libc::SYS_sched_setscheduler,
            libc::SYS_sched_setparam,
            libc::SYS_sched_setattr,
        ],
        &|| refuse_unless_all_are(&[(0, 0)]),
    );
    add(&[libc::SYS_setpriority], &|| {
        refuse_unless_all_are(&[(0, libc::PRIO_PROCESS), (1, 0)])
    });
    add(&[libc::SYS_ioprio_set], &|| {
        refuse_unless_all_are(&[(0, A_PROCESS), (1, 0)])
    });
    rules
}

/// Compares with a group of calls in the order of their numbers. For greater numbers, execution
/// continues behind the group.
fn compare_group(group: &[CallRule]) -> Vec<sock_filter> {
    // Numbers of calls have nine bits.
    let number = |rule: &CallRule| rule.call as u32;
    let mut inside: Vec<sock_filter> = group
        .iter()
        .flat_map(|rule| {
            // The number of instructions is small.
            let over = rule.then.len() as u8;
            std::iter::once(step(JUMP_IF_EQUAL, 0, over, number(rule)))
                .chain(rule.then.iter().copied())
        })
        .collect();
    inside.push(ret(libc::SECCOMP_RET_ALLOW));
    // The number of instructions is at most GROUP times the length of a rule.
    let past = inside.len() as u8;
    let next = group.last().map_or(0, number) + 1;
    std::iter::once(step(JUMP_IF_AT_LEAST, past, 0, next))
        .chain(inside)
        .collect()
}

/// Instructions of the kernel's filters (linux/filter.h).
const LOAD: u16 = 0x20;
const JUMP_IF_EQUAL: u16 = 0x15;
const JUMP_IF_AT_LEAST: u16 = 0x35;
const JUMP_IF_ANY_BIT: u16 = 0x45;
const RETURN: u16 = 0x06;
/// Offsets of the parts of a call: its number, its architecture, the lower halves of its arguments.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const ARGUMENTS: u32 = 16;

#[cfg(target_arch = "x86_64")]
const OWN_ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const OWN_ARCHITECTURE: u32 = 0xc000_00b7;

fn step(code: u16, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

fn ret(answer: u32) -> sock_filter {
    step(RETURN, 0, 0, answer)
}

/// Returns an error number to the caller; 0 is success.
fn answer_with(errno: i32) -> sock_filter {
    ret(libc::SECCOMP_RET_ERRNO | errno.unsigned_abs())
}

/// Leaves the number of the call for the comparison. A call with the number of another architecture
/// ends the process. On x86-64, there is a second number for each call, for programs with short
/// pointers; these numbers are treated as absent.
fn check_architecture() -> Vec<sock_filter> {
    vec![
        step(LOAD, 0, 0, ARCHITECTURE),
        step(JUMP_IF_EQUAL, 1, 0, OWN_ARCHITECTURE),
        ret(libc::SECCOMP_RET_KILL_PROCESS),
        step(LOAD, 0, 0, NUMBER),
        step(JUMP_IF_AT_LEAST, 0, 1, FIRST_UNKNOWN),
        answer_with(libc::ENOSYS),
    ]
}

/// Refuses a call if one of its arguments differs from the given value.
fn refuse_unless_all_are(arguments: &[(u32, u32)]) -> Vec<sock_filter> {
    let mut steps = Vec::new();
    for (argument, value) in arguments {
        steps.extend([
            step(LOAD, 0, 0, ARGUMENTS + 8 * argument),
            step(JUMP_IF_EQUAL, 1, 0, *value),
            answer_with(libc::EPERM),
        ]);
    }
    steps.push(ret(libc::SECCOMP_RET_ALLOW));
    steps
}

/// Refuses a call if its argument has any of the bits.
fn refuse_if_argument_has(argument: u32, bits: u32) -> Vec<sock_filter> {
    vec![
        step(LOAD, 0, 0, ARGUMENTS + 8 * argument),
        step(JUMP_IF_ANY_BIT, 0, 1, bits),
        answer_with(libc::EPERM),
        ret(libc::SECCOMP_RET_ALLOW),
    ]
}

/// Answers a call with an error number or 0 if its argument is one of the given values.
fn answer_if_argument_is(argument: u32, values: &[u32], errno: i32) -> Vec<sock_filter> {
    let mut steps = vec![step(LOAD, 0, 0, ARGUMENTS + 8 * argument)];
    for value in values {
        steps.extend([step(JUMP_IF_EQUAL, 0, 1, *value), answer_with(errno)]);
    }
    steps.push(ret(libc::SECCOMP_RET_ALLOW));
    steps
}

/// Installs a filter. Without the flag, kernels before 5.16 slow down a filtered thread with
/// defences against speculation, which would affect its times.
fn install_filter(program: &[sock_filter]) -> io::Result<()> {
    let length = u16::try_from(program.len()).map_err(io::Error::other)?;
    let filter = libc::sock_fprog {
        len: length,
        filter: program.as_ptr().cast_mut(),
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

    /// Filters apply to a thread, so each test uses its own thread.
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

    #[test]
    fn group_of_calls_fits_a_jump_and_no_call_is_in_two() {
        for signals_scoped in [false, true] {
            let mut rules = rules(signals_scoped);
            rules.sort_by_key(|rule| rule.call);
            assert!(rules.windows(2).all(|pair| pair[0].call < pair[1].call));
            for group in rules.chunks(GROUP) {
                let steps: usize = group.iter().map(|rule| rule.then.len() + 1).sum();
                assert!(steps < usize::from(u8::MAX));
            }
        }
    }

    /// Runs the filter as the kernel does.
    fn answer(program: &[sock_filter], call: i64, arguments: [u32; 2]) -> u32 {
        let (mut at, mut value) = (0, 0);
        loop {
            let step = program[at];
            at += 1;
            let holds = match step.code {
                RETURN => return step.k,
                LOAD => {
                    value = match step.k {
                        NUMBER => call as u32,
                        ARCHITECTURE => OWN_ARCHITECTURE,
                        ARGUMENTS => arguments[0],
                        _ => arguments[1],
                    };
                    continue;
                }
                JUMP_IF_EQUAL => value == step.k,
                JUMP_IF_AT_LEAST => value >= step.k,
                _ => value & step.k != 0,
            };
            at += usize::from(if holds { step.jt } else { step.jf });
        }
    }

    #[test]
    fn call_number_gets_the_answer_of_its_list() {
        let program = assemble_filter(true);
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
            assert_eq!(answer(&program, call, [0, 0]), expected, "{call}");
        }
        assert_eq!(
            answer(&program, libc::SYS_ioprio_set, [1, 0]),
            libc::SECCOMP_RET_ALLOW
        );
        assert_eq!(answer(&program, libc::SYS_clone, [NAMESPACES, 0]), refused);
        assert_eq!(answer(&program, libc::SYS_prlimit64, [1, 0]), refused);
        let kind = |kind: i32| {
            answer(
                &program,
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
            answer(&program, libc::SYS_prctl, [1, 0]),
            libc::SECCOMP_RET_ERRNO
        );
        assert_eq!(
            answer(&program, libc::SYS_prctl, [4, 0]),
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
