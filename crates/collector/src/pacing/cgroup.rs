//! Memory limits of control groups, from the contents of the kernel's files. Reading them is for the caller, see
//! `MemoryLimit::from_cgroup_at`.

use super::{limit::MemoryLimit, units::Bytes};

/// Version 1 says "none" with a number near 2^63, rounded down to a page.
const UNLIMITED_V1: u64 = 1 << 62;

/// The limit of version 2: the smaller of `memory.max` and `memory.high`, each a number or `max`.
///
/// `None` if a text is neither.
pub fn limit_of_v2(max: &str, high: Option<&str>) -> Option<MemoryLimit> {
    let read = |text: &str| match text.trim() {
        "max" => Some(MemoryLimit::Off),
        number => number.parse().ok().map(|bytes| MemoryLimit::Bytes(Bytes(bytes))),
    };
    let high = high.map_or(Some(MemoryLimit::Off), read)?;
    // `Off` is the largest.
    Some(read(max)?.min(high))
}

/// The limit of version 1: the number in `memory.limit_in_bytes`.
///
/// `None` if the text is no number.
pub fn limit_of_v1(limit_in_bytes: &str) -> Option<MemoryLimit> {
    let bytes = limit_in_bytes.trim().parse().ok()?;
    Some(if bytes >= UNLIMITED_V1 { MemoryLimit::Off } else { MemoryLimit::Bytes(Bytes(bytes)) })
}

/// The path of the process in the hierarchy of version 2, from the contents of `/proc/self/cgroup`.
pub fn path_of_v2(membership: &str) -> Option<&str> {
    membership.lines().find_map(|line| line.strip_prefix("0::"))
}

/// The path of the process in the memory hierarchy of version 1, from the contents of `/proc/self/cgroup`.
pub fn path_of_v1(membership: &str) -> Option<&str> {
    membership.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        controllers.split(',').any(|name| name == "memory").then_some(path)
    })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const LIMIT: Option<MemoryLimit> = Some(MemoryLimit::Bytes(Bytes(1_048_576)));

    /// Goal: what kernels write is understood, and nothing else. Method: their texts.
    #[test]
    fn limits_are_read() {
        assert_eq!(limit_of_v2("1048576\n", None), LIMIT);
        assert_eq!(limit_of_v2("max\n", Some("max\n")), Some(MemoryLimit::Off));
        assert_eq!(limit_of_v2("max\n", Some("1048576\n")), LIMIT);
        assert_eq!(limit_of_v2("1048576\n", Some("2097152")), LIMIT);
        assert_eq!(limit_of_v1("1048576\n"), LIMIT);
        assert_eq!(limit_of_v1("9223372036854771712\n"), Some(MemoryLimit::Off));
        for text in ["", "-1", "1M", "1048576 1", "99999999999999999999"] {
            assert_eq!((limit_of_v2(text, None), limit_of_v1(text)), (None, None), "{text}");
            assert_eq!(limit_of_v2("max", Some(text)), None, "{text}");
        }
    }

    /// Goal: the process's own group is found. Method: memberships as kernels write them.
    #[test]
    fn memberships_are_read() {
        assert_eq!(path_of_v2("0::/user.slice/a\n"), Some("/user.slice/a"));
        let mixed = "12:cpu,cpuacct:/x\n11:memory:/docker/abc\n0::/\n";
        assert_eq!((path_of_v1(mixed), path_of_v2(mixed)), (Some("/docker/abc"), Some("/")));
        assert_eq!((path_of_v1("garbage"), path_of_v2("")), (None, None));
    }
}
