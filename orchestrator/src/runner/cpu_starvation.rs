//! Detection of a process that has not acted on a signal because it got no CPU.

/// Returns whether `signal` is pending and the process lacks only a CPU to act on it: the process
/// neither blocks nor ignores the signal, and it is neither asleep nor stopped. Returns false if
/// the state cannot be read, for example because the process is gone.
pub(super) fn is_starved_of_cpu(process: i32, signal: i32) -> bool {
    let text = std::fs::read_to_string(format!("/proc/{process}/status"));
    text.is_ok_and(|text| waits_for_cpu(&text, signal))
}

/// Parses `status` as described in proc_pid_status(5): states R and D; masks are hexadecimal, with
/// signal 1 in the lowest bit.
fn waits_for_cpu(status: &str, signal: i32) -> bool {
    let field = |name: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
            .map(str::trim)
    };
    let holds = |name: &str| {
        let mask = field(name)
            .and_then(|mask| u64::from_str_radix(mask, 16).ok())
            .unwrap_or(0);
        mask >> (signal - 1) & 1 == 1
    };
    let runnable = field("State").is_some_and(|state| state.starts_with(['R', 'D']));
    // A blocked signal may be pending too, but the kernel will never deliver it.
    runnable && (holds("ShdPnd") || holds("SigPnd")) && !holds("SigBlk")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERM: i32 = 15;

    fn format_status(state: &str, pending: &str, blocked: &str) -> String {
        format!(
            "Name:\tState: \
             x\nState:\t{state}\nSigPnd:\t0000\nShdPnd:\t{pending}\nSigBlk:\t{blocked}\n"
        )
    }

    #[test]
    fn signal_is_starved_only_if_the_process_lacks_a_cpu() {
        assert!(waits_for_cpu(
            &format_status("R (running)", "4000", "0"),
            TERM
        ));
        assert!(waits_for_cpu(
            &format_status("D (disk sleep)", "4000", "0"),
            TERM
        ));
        assert!(
            !waits_for_cpu(&format_status("R (running)", "4000", "4000"), TERM),
            "blocked"
        );
        assert!(
            !waits_for_cpu(&format_status("R (running)", "2000", "0"), TERM),
            "another signal"
        );
        assert!(
            !waits_for_cpu(&format_status("T (stopped)", "4000", "0"), TERM),
            "stopped"
        );
        assert!(!waits_for_cpu("", TERM));
        assert!(!is_starved_of_cpu(
            i32::try_from(std::process::id()).unwrap_or(1),
            TERM
        ));
        assert!(!is_starved_of_cpu(-1, TERM), "no such process");
    }
}
