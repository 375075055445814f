//! Resource limits of the shell that are too low for orch and its workers, with the command that
//! raises each.

use rustix::process::{Resource, Rlimit, getrlimit};

/// Lowest usable value of one limit.
struct NeededLimit {
    resource: Resource,
    /// Limited resource, with its unit.
    what: &'static str,
    /// Option of the shell's `ulimit`.
    option: &'static str,
    least: u64,
    /// Size of one unit of `ulimit`, in units of the limit.
    unit: u64,
}

/// Lowest usable limits. A worker keeps its channel to orch at descriptor 64, besides the files
/// that compilers and libraries open. The limit of a file's size leaves room for a library with its
/// debug information: the kernel ends a process that writes more with a signal, without a message.
const NEEDED: [NeededLimit; 2] = [
    NeededLimit {
        resource: Resource::Nofile,
        what: "open files",
        option: "-n",
        least: 128,
        unit: 1,
    },
    NeededLimit {
        resource: Resource::Fsize,
        what: "KiB of one file",
        option: "-f",
        least: 64 << 20,
        unit: 1024,
    },
];

/// Refuses limits under which no worker could begin. The error is a message for the user.
pub(crate) fn check_limits() -> Result<(), String> {
    check_limits_with(getrlimit)
}

fn check_limits_with(read: impl Fn(Resource) -> Rlimit) -> Result<(), String> {
    for needed in NEEDED {
        let limit = read(needed.resource);
        // `None` means that there is no limit.
        let Some(current) = limit.current.filter(|current| *current < needed.least) else {
            continue;
        };
        let (current, least) = (current / needed.unit, needed.least / needed.unit);
        let NeededLimit { what, option, .. } = needed;
        let is_hard = limit.maximum.is_some_and(|most| most < needed.least);
        let who = if is_hard {
            " (as root, because the hard limit is also too low)"
        } else {
            ""
        };
        return Err(format!(
            "this shell allows {current} {what}, but orch needs {least}; raise the limit: ulimit \
             {option} {least}{who}"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limit_that_is_too_low_is_refused_with_its_command() {
        let of = |resource, current, maximum| {
            check_limits_with(move |asked| match asked == resource {
                true => Rlimit { current, maximum },
                false => Rlimit {
                    current: None,
                    maximum: None,
                },
            })
        };
        assert_eq!(of(Resource::Nofile, None, None), Ok(()));
        assert_eq!(of(Resource::Nofile, Some(128), Some(128)), Ok(()));
        let expected =
            "this shell allows 32 open files, but orch needs 128; raise the limit: ulimit -n 128";
        assert_eq!(
            of(Resource::Nofile, Some(32), Some(4096)),
            Err(expected.to_owned())
        );
        let expected = "this shell allows 32 open files, but orch needs 128; raise the limit: \
            ulimit -n 128 (as root, because the hard limit is also too low)";
        assert_eq!(
            of(Resource::Nofile, Some(32), Some(32)),
            Err(expected.to_owned())
        );
        let expected = "this shell allows 1024 KiB of one file, but orch needs 65536; raise the \
            limit: ulimit -f 65536";
        assert_eq!(
            of(Resource::Fsize, Some(1 << 20), None),
            Err(expected.to_owned())
        );
    }
}
