//! CPU features by their names in rustc: the features for which this code was compiled, and those
//! of this machine.
//!
//! A plugin that was compiled for instructions that the machine lacks would end with SIGILL in the
//! middle of a measurement. [`export_plugin!`](crate::export_plugin) therefore exports [`LIST`],
//! and the host checks each name in it with [`detected`] before it loads the plugin.

/// Derives both the compiled-in features and the run-time checks from one list of names.
macro_rules! features {
    ($detect:ident: $($name:tt)*) => {
        /// Each known feature and whether this code was compiled for it.
        const FEATURES: &[(&str, bool)] = &[$(($name, cfg!(target_feature = $name))),*];

        fn ask(name: &str) -> Option<bool> {
            match name {
                $($name => Some(std::arch::$detect!($name)),)*
                _ => None,
            }
        }
    };
}

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
features! { is_x86_feature_detected:
    "sse" "sse2" "sse3" "ssse3" "sse4.1" "sse4.2" "sse4a" "popcnt" "lzcnt" "movbe" "cmpxchg16b"
    "bmi1" "bmi2" "adx" "tbm" "f16c" "fma" "avx" "avx2" "avxvnni" "avxifma" "avxneconvert"
    "avxvnniint8" "avxvnniint16"
    "avx512f" "avx512cd" "avx512dq" "avx512bw" "avx512vl" "avx512ifma" "avx512vbmi"
    "avx512vbmi2" "avx512vnni"
    "avx512bitalg" "avx512vpopcntdq" "avx512vp2intersect" "avx512bf16" "avx512fp16"
    "aes" "vaes" "pclmulqdq" "vpclmulqdq" "gfni" "sha" "sha512" "sm3" "sm4" "kl" "widekl"
    "rdrand" "rdseed" "fxsr" "xsave" "xsavec" "xsaveopt" "xsaves"
}

#[cfg(target_arch = "aarch64")]
features! { is_aarch64_feature_detected:
    "neon" "pmull" "aes" "sha2" "sha3" "sm4" "crc" "lse" "lse2" "rdm" "rcpc" "rcpc2" "dotprod"
    "fp16" "fhm" "fcma"
    "frintts" "jsconv" "i8mm" "bf16" "f32mm" "f64mm" "sve" "sve2" "sve2-aes"
    "sve2-bitperm" "sve2-sha3" "sve2-sm4"
    "flagm" "dit" "dpb" "dpb2" "bti" "mte" "paca" "pacg" "rand" "sb" "ssbs"
}

#[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
mod unknown {
    pub(super) const FEATURES: &[(&str, bool)] = &[];

    pub(super) fn ask(_: &str) -> Option<bool> {
        None
    }
}
#[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
use unknown::{FEATURES, ask};

/// Whether this machine has a feature; `None` for a name that is not in the list of this
/// architecture.
///
/// ```
/// assert_eq!(orch_sdk::cpu::detected("no-such-thing"), None);
/// ```
pub fn detected(name: &str) -> Option<bool> {
    ask(name)
}

/// Returns all names for which [`detected`] has an answer.
pub fn known() -> impl Iterator<Item = &'static str> {
    FEATURES.iter().map(|(name, _)| *name)
}

/// Returns the names of the features for which this code was compiled.
pub fn compiled() -> impl Iterator<Item = &'static str> {
    FEATURES
        .iter()
        .filter(|(_, compiled)| *compiled)
        .map(|(name, _)| *name)
}

/// Length of [`LIST`].
pub const LIST_LEN: usize = list_len();

/// The features for which this code was compiled, separated by commas and ended by a NUL:
/// `sse,sse2,avx2`.
pub const LIST: [u8; LIST_LEN] = list();

const fn list_len() -> usize {
    let (mut len, mut i) = (0, 0);
    while i < FEATURES.len() {
        if FEATURES[i].1 {
            len += FEATURES[i].0.len() + 1;
        }
        i += 1;
    }
    // The NUL takes the place of the last comma. It is there even without any name.
    if len == 0 { 1 } else { len }
}

const fn list() -> [u8; LIST_LEN] {
    let mut bytes = [0; LIST_LEN];
    let (mut at, mut i) = (0, 0);
    while i < FEATURES.len() {
        let (name, compiled) = FEATURES[i];
        if compiled {
            if at > 0 {
                bytes[at] = b',';
                at += 1;
            }
            let mut j = 0;
            while j < name.len() {
                bytes[at] = name.as_bytes()[j];
                at += 1;
                j += 1;
            }
        }
        i += 1;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_has_the_compiled_features() {
        let text = std::ffi::CStr::from_bytes_with_nul(&LIST)
            .expect("one NUL, at the end")
            .to_str()
            .expect("ASCII");
        assert_eq!(
            text.split(',')
                .filter(|name| !name.is_empty())
                .collect::<Vec<_>>(),
            compiled().collect::<Vec<_>>()
        );
    }

    #[test]
    fn this_machine_has_what_this_test_was_compiled_for() {
        for name in compiled() {
            assert_eq!(detected(name), Some(true), "{name}");
        }
    }

    #[test]
    fn known_names_can_all_be_detected() {
        for name in known() {
            assert!(detected(name).is_some(), "{name}");
        }
        assert_eq!(detected("AVX2"), None);
    }

    /// With `-C target-cpu=native`, the compiler enables all features of the machine, and each of
    /// them has to be in the list. (On other architectures, the compiler has names that cannot be
    /// checked at run time.)
    #[cfg(target_arch = "x86_64")]
    #[test]
    fn list_is_complete_for_this_machine() {
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let Ok(output) = std::process::Command::new(rustc)
            .args(["--print", "cfg", "-C", "target-cpu=native"])
            .output()
        else {
            eprintln!("skipped: rustc does not start");
            return;
        };
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            if let Some(name) = line
                .strip_prefix("target_feature=\"")
                .and_then(|rest| rest.strip_suffix('"'))
            {
                assert!(detected(name).is_some(), "{name} is missing in the list");
            }
        }
    }
}
