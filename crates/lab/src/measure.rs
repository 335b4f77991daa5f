//! What a run costs: wall time, CPU time and memory, as the operating system tells.

use std::time::{Duration, Instant};

use crate::size::ByteSize;

/// Wall and CPU time between two moments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Elapsed {
    /// Time on the clock. First, so that sorting goes by it.
    pub wall: Duration,
    /// User and system time of all threads of the process.
    pub cpu: Duration,
}

/// Measures an [`Elapsed`].
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch {
    wall: Instant,
    cpu: Duration,
}

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Self {
        let cpu = process_cpu();
        Self { wall: Instant::now(), cpu }
    }

    /// Returns what has passed since the start.
    pub fn elapsed(&self) -> Elapsed {
        let wall = self.wall.elapsed();
        Elapsed { wall, cpu: process_cpu().saturating_sub(self.cpu) }
    }
}

/// Returns the user and system time of this process, or zero where the system does not tell.
pub fn process_cpu() -> Duration {
    usage().map_or(Duration::ZERO, |usage| duration(usage.ru_utime) + duration(usage.ru_stime))
}

/// Returns the CPU time that all processes of this machine took since it started, or `None` where the system does not tell.
pub fn machine_cpu() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    // SAFETY: asks for a number.
    let per_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    busy_ticks(&text).map(|ticks| Duration::from_secs_f64(ticks as f64 / per_second.max(1) as f64))
}

/// Adds up the first line of `/proc/stat`: user, nice, system, idle, waiting, interrupts of both kinds, stolen; but not idle and waiting.
fn busy_ticks(stat: &str) -> Option<u64> {
    let line = stat.lines().next()?.strip_prefix("cpu ")?;
    let ticks: Vec<u64> = line.split_whitespace().map_while(|word| word.parse().ok()).take(8).collect();
    (ticks.len() == 8).then(|| ticks.iter().sum::<u64>() - ticks[3] - ticks[4])
}

/// Returns the CPU time of the current thread, or zero where the system does not tell.
pub fn thread_cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the answer.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) } != 0;
    if failed { Duration::ZERO } else { Duration::new(time.tv_sec as u64, time.tv_nsec as u32) }
}

/// Returns the largest resident memory this process ever had.
pub fn peak_memory() -> ByteSize {
    let peak =
        std::fs::read_to_string("/proc/self/status").ok().and_then(|status| status_line(&status, "VmHWM:"));
    peak.or_else(|| usage().map(max_resident)).unwrap_or(ByteSize(0))
}

/// Returns the resident memory of this process, or the largest it ever had where the system does not tell.
pub fn resident_memory() -> ByteSize {
    let status = std::fs::read_to_string("/proc/self/status").ok();
    status.and_then(|status| status_line(&status, "VmRSS:")).unwrap_or_else(peak_memory)
}

/// Finds a line like `VmHWM:   1234 kB` in the text of `/proc/self/status`.
fn status_line(status: &str, name: &str) -> Option<ByteSize> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim_end().parse().ok()?;
    Some(ByteSize(kib * 1024))
}

fn max_resident(usage: libc::rusage) -> ByteSize {
    // Apple counts bytes, everyone else KiB.
    let unit_bytes = if cfg!(target_vendor = "apple") { 1 } else { 1024 };
    ByteSize(u64::try_from(usage.ru_maxrss).unwrap_or(0) * unit_bytes)
}

fn usage() -> Option<libc::rusage> {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::uninit();
    // SAFETY: the pointer is valid for writes of one `rusage`.
    let status = unsafe { libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()) };
    // SAFETY: `getrusage` has filled the structure when it returns 0.
    (status == 0).then(|| unsafe { usage.assume_init() })
}

fn duration(time: libc::timeval) -> Duration {
    Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000)
}

#[cfg(test)]
mod tests {
    use super::{Stopwatch, busy_ticks, machine_cpu, peak_memory, resident_memory, status_line};
    use crate::size::ByteSize;

    #[test]
    fn memory_is_found_in_a_status_file() {
        let status = "Name:\tmudlark\nVmPeak:\t  9000 kB\nVmHWM:\t    1972 kB\nVmRSS:\t 100 kB\n";
        assert_eq!(status_line(status, "VmHWM:"), Some(ByteSize(1972 * 1024)));
        assert_eq!(status_line(status, "VmRSS:"), Some(ByteSize(100 * 1024)));
        assert_eq!(status_line("Name:\tmudlark\n", "VmHWM:"), None);
    }

    /// Goal: what was neither idle nor waiting counts. Method: a file by hand, and that of this machine.
    #[test]
    fn a_machine_tells_how_busy_it_was() {
        assert_eq!(
            busy_ticks("cpu  1 2 4 8 16 32 64 128 256 512\ncpu0 1 1\n"),
            Some(1 + 2 + 4 + 32 + 64 + 128)
        );
        assert_eq!(busy_ticks("cpu  1 2\n"), None);
        assert_eq!(busy_ticks(""), None);
        let before = machine_cpu();
        assert!(machine_cpu() >= before);
    }

    #[test]
    fn a_running_process_has_used_memory() {
        assert!(peak_memory() > ByteSize(100 * 1024));
        assert!(resident_memory() > ByteSize(100 * 1024));
    }

    /// Goal: CPU time counts what this process does. Method: compute until the clock has moved enough.
    #[test]
    fn computing_costs_cpu_time() {
        let watch = Stopwatch::start();
        let mut sum = 0_u64;
        while watch.elapsed().cpu.as_millis() < 2 {
            sum = (0..10_000).fold(sum, |sum, n| std::hint::black_box(sum.wrapping_add(n)));
        }
        assert!(watch.elapsed().wall.as_micros() > 0);
    }
}
