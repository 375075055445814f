//! The machine: its description in a record, and the class by which records are comparable.

pub(crate) mod load;

use serde::{Deserialize, Serialize};
use std::fs;

/// The machine of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Machine {
    /// Class of the machine. Records of the same class are comparable. The class covers CPU model
    /// and features, CPUs online, caches, memory class, hypervisor and allocator. It never contains
    /// the host's name.
    pub(crate) class: String,
    pub(crate) os: String,
    pub(crate) kernel: String,
    pub(crate) arch: String,
    pub(crate) cpu: CpuInfo,
    pub(crate) memory_bytes: u64,
    /// Name of the hypervisor; `None` on bare metal.
    pub(crate) hypervisor: Option<String>,
    pub(crate) allocator: AllocatorInfo,
    /// The selected mode of transparent huge pages.
    pub(crate) transparent_huge_pages: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CpuInfo {
    pub(crate) model: String,
    pub(crate) vendor: String,
    /// Family, model and stepping, as the CPU reports them.
    pub(crate) signature: String,
    pub(crate) online: usize,
    /// CPUs that this process may use.
    pub(crate) usable: usize,
    /// CPU features of this machine for which plugins can be compiled.
    pub(crate) features: Vec<String>,
    /// Caches of the first CPU, such as `L1d 48K`.
    pub(crate) caches: Vec<String>,
}

/// The C library's allocator, which serves every allocation of a plugin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AllocatorInfo {
    pub(crate) name: String,
    /// GLIBC_TUNABLES and MALLOC_* in the environment of the workers.
    pub(crate) tunables: Vec<String>,
}

impl Machine {
    pub(crate) fn read() -> Self {
        let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let field = |name: &str| cpuinfo_field(&info, name).unwrap_or_default();
        let name = rustix::system::uname();
        let cpu = CpuInfo {
            model: field("model name"),
            vendor: field("vendor_id"),
            signature: format!(
                "{}/{}/{}",
                field("cpu family"),
                field("model"),
                field("stepping")
            ),
            online: info
                .lines()
                .filter(|line| line.starts_with("processor"))
                .count(),
            usable: usable_cpus().len(),
            features: orch_sdk::cpu::known()
                .filter(|name| orch_sdk::cpu::detected(name) == Some(true))
                .map(str::to_owned)
                .collect(),
            caches: read_caches(),
        };
        let hypervisor = hypervisor(&info);
        let memory_bytes = read_memory_bytes();
        let allocator = AllocatorInfo {
            name: format!("glibc {}", glibc_version()),
            tunables: read_tunables(),
        };
        Self {
            class: hash_class(&cpu, memory_bytes, hypervisor.as_deref(), &allocator),
            os: read_os_name(),
            kernel: format!(
                "{} {}",
                name.sysname().to_string_lossy(),
                name.release().to_string_lossy()
            ),
            arch: name.machine().to_string_lossy().into_owned(),
            cpu,
            memory_bytes,
            hypervisor,
            allocator,
            transparent_huge_pages: read_chosen_mode("/sys/kernel/mm/transparent_hugepage/enabled"),
        }
    }
}

/// Time of all CPUs together since the start of the system, in ticks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CpuTimes {
    all: u64,
    /// Ticks that were neither idle nor given to others by the host.
    busy: u64,
    stolen: u64,
}

impl CpuTimes {
    pub(crate) fn read() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/stat").ok()?)
    }

    /// Parses the line of all CPUs: user, nice, system, idle, iowait, irq, softirq, steal. The time
    /// of guests is part of user time.
    pub(crate) fn parse(stat: &str) -> Option<Self> {
        let line = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
        let numbers: Vec<u64> = line
            .split_whitespace()
            .take(8)
            .filter_map(|number| number.parse().ok())
            .collect();
        let (all, stolen) = (numbers.iter().sum::<u64>(), *numbers.get(7)?);
        Some(Self {
            all,
            busy: all - numbers[3] - numbers[4] - stolen,
            stolen,
        })
    }

    /// Returns the share of the CPUs' time that the host gave to other machines since an earlier
    /// reading; 0 if no time passed.
    pub(crate) fn stolen_since(self, earlier: Self) -> f64 {
        let all = self.all.saturating_sub(earlier.all);
        if all == 0 {
            0.0
        } else {
            self.stolen.saturating_sub(earlier.stolen) as f64 / all as f64
        }
    }
}

/// Returns the CPUs that this process may use, in order.
pub(crate) fn usable_cpus() -> Vec<usize> {
    match rustix::thread::sched_getaffinity(None) {
        Ok(set) => (0..rustix::thread::CpuSet::MAX_CPU)
            .filter(|cpu| set.is_set(*cpu))
            .collect(),
        Err(_) => vec![0],
    }
}

fn hash_class(
    cpu: &CpuInfo,
    memory_bytes: u64,
    hypervisor: Option<&str>,
    allocator: &AllocatorInfo,
) -> String {
    // Machines of one kind report slightly different amounts of memory.
    let memory_class = (memory_bytes as f64 / f64::from(1 << 30)).log2().round();
    let text = format!(
        "{}|{}|{}|{}|{}|{memory_class}|{}|{}|{}",
        cpu.vendor,
        cpu.signature,
        cpu.features.join(","),
        cpu.online,
        cpu.caches.join(","),
        hypervisor.unwrap_or("none"),
        allocator.name,
        allocator.tunables.join(","),
    );
    crate::hash::text(&text)[..16].to_owned()
}

fn cpuinfo_field(info: &str, name: &str) -> Option<String> {
    info.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim().to_owned())
}

fn read_caches() -> Vec<String> {
    let read = |index: usize, file: &str| {
        fs::read_to_string(format!(
            "/sys/devices/system/cpu/cpu0/cache/index{index}/{file}"
        ))
        .map(|text| text.trim().to_owned())
        .ok()
    };
    (0..8)
        .filter_map(|index| {
            let kind = match read(index, "type")?.as_str() {
                "Data" => "d",
                "Instruction" => "i",
                _ => "",
            };
            Some(format!(
                "L{}{kind} {}",
                read(index, "level")?,
                read(index, "size")?
            ))
        })
        .collect()
}

fn hypervisor(info: &str) -> Option<String> {
    let flags = cpuinfo_field(info, "flags")?;
    if !flags.split(' ').any(|flag| flag == "hypervisor") {
        return None;
    }
    #[cfg(target_arch = "x86_64")]
    {
        // By common convention, hypervisors put their signature into this leaf.
        let leaf = std::arch::x86_64::__cpuid(0x4000_0000);
        let bytes: Vec<u8> = [leaf.ebx, leaf.ecx, leaf.edx]
            .iter()
            .flat_map(|part| part.to_le_bytes())
            .collect();
        let name: String = String::from_utf8_lossy(&bytes)
            .chars()
            .filter(char::is_ascii_graphic)
            .collect();
        let known = match name.as_str() {
            "" => "unknown",
            "KVMKVMKVM" => "KVM",
            "MicrosoftHv" => "Hyper-V",
            "VMwareVMware" => "VMware",
            "XenVMMXenVMM" => "Xen",
            other => other,
        };
        Some(known.to_owned())
    }
    #[cfg(not(target_arch = "x86_64"))]
    Some("unknown".to_owned())
}

fn read_memory_bytes() -> u64 {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = text.lines().find_map(|line| {
        line.strip_prefix("MemTotal:")?
            .trim()
            .strip_suffix(" kB")?
            .parse()
            .ok()
    });
    kib.unwrap_or(0u64) * 1024
}

fn read_os_name() -> String {
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = text
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.map_or_else(
        || "Linux".to_owned(),
        |name| name.trim_matches('"').to_owned(),
    )
}

fn glibc_version() -> String {
    // SAFETY: returns a static NUL-terminated string.
    unsafe { std::ffi::CStr::from_ptr(libc::gnu_get_libc_version()) }
        .to_string_lossy()
        .into_owned()
}

fn read_tunables() -> Vec<String> {
    let mut found: Vec<String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name == "GLIBC_TUNABLES" || name.starts_with("MALLOC_"))
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    found.sort();
    found
}

/// Returns the word in brackets of a kernel's list of choices.
fn read_chosen_mode(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let (_, rest) = text.split_once('[')?;
    rest.split_once(']').map(|(word, _)| word.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_ignores_only_small_differences_of_memory() {
        let cpu = CpuInfo {
            model: "m".into(),
            vendor: "v".into(),
            signature: "6/1/1".into(),
            online: 2,
            usable: 2,
            features: vec!["avx2".into()],
            caches: vec!["L2 1024K".into()],
        };
        let allocator = AllocatorInfo {
            name: "glibc 2.36".into(),
            tunables: Vec::new(),
        };
        let class = |cpu: &CpuInfo, memory| hash_class(cpu, memory, None, &allocator);
        assert_eq!(class(&cpu, 24 << 30), class(&cpu, (24 << 30) - (200 << 20)));
        assert_ne!(class(&cpu, 24 << 30), class(&cpu, 8 << 30));
        assert_ne!(
            class(&cpu, 24 << 30),
            class(
                &CpuInfo {
                    online: 4,
                    ..cpu.clone()
                },
                24 << 30
            )
        );
    }
}
