//! The result of a run, as a text to read and as one line of JSON.

use std::fmt;
use std::time::Duration;

use mudlark::pacing::MemoryLimit;
use mudlark::{Heap, SafepointStats};

use crate::error::LabError;
use crate::json::{Object, array};
use crate::latency::Latency;
use crate::measure::Elapsed;
use crate::scale::Scale;
use crate::size::ByteSize;
use crate::workloads::{Finding, Workload};

/// What a run found.
#[derive(Debug)]
pub struct Report {
    pub(crate) implementation: &'static str,
    pub(crate) workload: Workload,
    pub(crate) threads: usize,
    pub(crate) scale: Scale,
    /// Time of the part that the workload defines: for `graph` the median collection, for `lists` the writes,
    /// else everything.
    pub(crate) timed: Elapsed,
    pub(crate) checksum: u64,
    pub(crate) expected: u64,
    /// Objects the whole run allocated.
    pub(crate) objects: u64,
    pub(crate) finding: Finding,
    pub(crate) peak_memory: ByteSize,
    /// `None` where nothing is collected.
    pub(crate) gc: Option<GcReport>,
    /// Why the last cycles were as they were, if somebody asked.
    pub(crate) explanation: Option<Explanation>,
}

/// The decisions about the last complete cycles that the pacer remembers, from the oldest to the newest.
#[derive(Debug)]
pub(crate) struct Explanation {
    lines: Vec<String>,
}

impl Explanation {
    pub(crate) fn of(heap: &Heap) -> Self {
        let stats = heap.stats();
        let mut cycles = Vec::new();
        // Cycles that were given up have numbers too.
        for cycle in (1..=stats.cycles + stats.aborted_cycles).rev() {
            let text = heap.explain(cycle);
            if text.is_empty() {
                break;
            }
            cycles.push(text.lines().map(|line| format!("cycle {cycle}: {line}")).collect::<Vec<_>>());
        }
        Self { lines: cycles.into_iter().rev().flatten().collect() }
    }

    fn to_json(&self) -> String {
        array(&self.lines)
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.lines.is_empty() {
            return writeln!(f, "\nno cycle to explain");
        }
        writeln!(f)?;
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

/// What the collector did during a run, preparations included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GcReport {
    cycles: u64,
    /// Safepoints: count, percentiles, longest, sum.
    safepoints: u64,
    pause_p50: Duration,
    pause_p99: Duration,
    pause_max: Duration,
    pause_total: Duration,
    /// CPU time at safepoints, and the time without a core there, if they were told apart.
    passed: u64,
    passed_work_p9999: Duration,
    work_p99: Duration,
    work_max: Duration,
    descheduled_max: Duration,
    /// The collector's part of all CPU time since the heap was made.
    cpu_fraction: f64,
    live: ByteSize,
    goal: ByteSize,
    /// The soft limit; `None` for none.
    memory_limit: Option<ByteSize>,
    /// What the GC percent would have to be for the same goal without limits; infinite without a goal, or with nothing live.
    effective_gc_percent: f64,
    external: ByteSize,
}

impl GcReport {
    /// Reads the statistics of a heap after `cpu` of process time with it.
    pub(crate) fn new(heap: &Heap, cpu: Duration) -> Self {
        let stats = heap.stats();
        let SafepointStats { pauses, work, descheduled, .. } = &stats.safepoints;
        let collector_ns = stats.collector_cpu_ns + stats.assist_ns;
        Self {
            cycles: stats.cycles,
            safepoints: pauses.count,
            pause_p50: Duration::from_nanos(pauses.p50_ns),
            pause_p99: Duration::from_nanos(pauses.p99_ns),
            pause_max: Duration::from_nanos(pauses.max_ns),
            pause_total: Duration::from_nanos(pauses.total_ns),
            passed: stats.safepoints.passed,
            passed_work_p9999: Duration::from_nanos(stats.safepoints.passed_work_p9999_ns),
            work_p99: Duration::from_nanos(work.p99_ns),
            work_max: Duration::from_nanos(work.max_ns),
            descheduled_max: Duration::from_nanos(descheduled.max_ns),
            cpu_fraction: collector_ns as f64 / cpu.as_nanos().max(1) as f64,
            live: ByteSize(stats.live_bytes),
            goal: ByteSize(stats.goal_bytes),
            memory_limit: match heap.memory_limit() {
                MemoryLimit::Bytes(limit) => Some(ByteSize(limit.0)),
                MemoryLimit::Off => None,
            },
            effective_gc_percent: heap.gauges().effective_gc_percent,
            external: ByteSize(stats.external_bytes),
        }
    }

    fn to_json(self) -> Object {
        let json = Object::new()
            .integer("cycles", self.cycles)
            .number("pause_max_us", micros(self.pause_max), 3)
            .number("pause_total_us", micros(self.pause_total), 3)
            .number("cpu_fraction", self.cpu_fraction, 4)
            .integer("live_bytes", self.live.0)
            .integer("goal_bytes", self.goal.0)
            .integer("safepoints", self.safepoints)
            .number("safepoint_p50_us", micros(self.pause_p50), 3)
            .number("safepoint_p99_us", micros(self.pause_p99), 3)
            .number("safepoint_max_us", micros(self.pause_max), 3)
            .integer("safepoints_passed", self.passed)
            .number("safepoint_work_p9999_us", micros(self.passed_work_p9999), 3)
            .number("safepoint_work_p99_us", micros(self.work_p99), 3)
            .number("safepoint_work_max_us", micros(self.work_max), 3)
            .number("safepoint_descheduled_max_us", micros(self.descheduled_max), 3)
            .raw(
                "memory_limit_bytes",
                &self.memory_limit.map_or("null".to_owned(), |limit| limit.0.to_string()),
            )
            .number("effective_gc_percent", self.effective_gc_percent, 1);
        if self.external.0 > 0 { json.integer("external_bytes", self.external.0) } else { json }
    }
}

impl Report {
    /// Judges the checksum.
    ///
    /// # Errors
    /// Fails if the work was not done right.
    pub fn judge(&self) -> Result<(), LabError> {
        let (workload, expected, found) = (self.workload, self.expected, self.checksum);
        if found == expected { Ok(()) } else { Err(LabError::Checksum { workload, expected, found }) }
    }

    /// Writes the report as one line of JSON, without the end of the line.
    pub fn to_json(&self) -> String {
        let mut json = Object::new()
            .text("impl", self.implementation)
            .text("workload", self.workload.name())
            .integer("threads", self.threads as u64)
            .number("seconds", self.timed.wall.as_secs_f64(), 9)
            .number("cpu_s", self.timed.cpu.as_secs_f64(), 6)
            .integer("checksum", self.checksum);
        if let Finding::Latency(latency) = &self.finding {
            json = json.object("latency_us", latency_json(latency));
        }
        json = json.integer("peak_rss_kb", self.peak_memory.0 / 1024);
        if let Some(gc) = self.gc {
            json = json.object("gc", gc.to_json());
        }
        json = json
            .number("scale", self.scale.factor(), 6)
            .flag("checksum_ok", self.judge().is_ok())
            .integer("objects", self.objects);
        json = match self.finding {
            Finding::Nothing | Finding::Latency(_) => json,
            Finding::PerObject => json.number("ns_per_object", self.ns_per(self.objects), 3),
            Finding::PerWrite(writes) => json.number("ns_per_write", self.ns_per(writes), 3),
            Finding::FullCollection { median, live_objects } => json
                .number("full_gc_ms_median", median.as_secs_f64() * 1e3, 3)
                .number("ns_per_live_object", self.ns_per(live_objects), 3)
                .number("live_mb_per_s", self.live_mb_per_s(), 1)
                .integer("live_objects", live_objects),
        };
        if let Some(explanation) = &self.explanation {
            json = json.raw("explain", &explanation.to_json());
        }
        json.finish()
    }

    /// Divides the time of the run by a count.
    fn ns_per(&self, count: u64) -> f64 {
        self.timed.wall.as_nanos() as f64 / count as f64
    }

    /// The live megabytes (of 10^6 bytes) that are collected in a second.
    fn live_mb_per_s(&self) -> f64 {
        let live_bytes = self.gc.map_or(0, |gc| gc.live.0);
        live_bytes as f64 / 1e6 / self.timed.wall.as_secs_f64()
    }
}

fn latency_json(latency: &Latency) -> Object {
    Object::new()
        .number("p50", micros(latency.p50), 3)
        .number("p99", micros(latency.p99), 3)
        .number("p999", micros(latency.p999), 3)
        .number("p9999", micros(latency.p9999), 3)
        .number("max", micros(latency.max), 3)
}

pub(crate) fn micros(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1e3
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let threads = if self.threads == 1 { "thread" } else { "threads" };
        let Self { implementation, workload, scale, timed, .. } = self;
        writeln!(f, "{workload} on {implementation}, {} {threads}, scale {scale}", self.threads)?;
        writeln!(f, "  time         {} ({} of CPU)", Time(timed.wall), Time(timed.cpu))?;
        writeln!(f, "  objects      {} allocated", Grouped(self.objects))?;
        match &self.finding {
            Finding::Nothing => {}
            Finding::PerObject => {
                writeln!(f, "  allocation   {:.2} ns per object", self.ns_per(self.objects))?
            }
            Finding::PerWrite(writes) => {
                let writes_ns = self.ns_per(*writes);
                writeln!(f, "  writes       {}, {writes_ns:.2} ns per write", Grouped(*writes))?;
            }
            Finding::Latency(latency) => writeln!(f, "  latency      {latency}")?,
            Finding::FullCollection { median, live_objects } => {
                let (object_ns, rate) = (self.ns_per(*live_objects), self.live_mb_per_s());
                writeln!(f, "  full GC      {}, median of 5", Time(*median))?;
                writeln!(
                    f,
                    "  marking      {object_ns:.2} ns per live object, {rate:.0} MB/s of live objects"
                )?;
            }
        }
        if let Some(gc) = &self.gc {
            writeln!(f, "  collector    {} cycles, {:.1} % of CPU", gc.cycles, gc.cpu_fraction * 100.0)?;
            let (p50, p99, max) = (Time(gc.pause_p50), Time(gc.pause_p99), Time(gc.pause_max));
            writeln!(f, "  safepoints   {}, p50 {p50}, p99 {p99}, max {max}", Grouped(gc.safepoints))?;
            let (work, most, away) = (Time(gc.work_p99), Time(gc.work_max), Time(gc.descheduled_max));
            writeln!(f, "               of it work: p99 {work}, max {most}; without a core: max {away}")?;
            let (passed, of_all) = (Grouped(gc.passed), Time(gc.passed_work_p9999));
            writeln!(f, "               of all {passed} passed while cycles ran: p99.99 {of_all} of work")?;
            gc.fmt_heap(f)?;
        }
        writeln!(f, "  peak memory  {}", self.peak_memory)?;
        match self.judge() {
            Ok(()) => writeln!(f, "  checksum     {}, as it must be", self.checksum),
            Err(_) => writeln!(f, "  checksum     {}, WRONG: it must be {}", self.checksum, self.expected),
        }?;
        self.explanation.as_ref().map_or(Ok(()), |explanation| explanation.fmt(f))
    }
}

impl GcReport {
    fn fmt_heap(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  heap         {} live after the last cycle, ", self.live)?;
        match self.goal {
            ByteSize(u64::MAX) => writeln!(f, "no goal")?,
            goal => writeln!(f, "goal {goal}")?,
        }
        f.write_str("  pacing       effective GC percent ")?;
        match self.effective_gc_percent {
            percent if percent.is_finite() => write!(f, "{percent:.0}")?,
            _ => f.write_str("unbounded")?,
        }
        match self.memory_limit {
            Some(limit) => write!(f, ", memory limit {limit}")?,
            None => f.write_str(", no memory limit")?,
        }
        if self.external.0 > 0 {
            write!(f, ", {} external", self.external)?;
        }
        writeln!(f)
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { p50, p99, p999, p9999, max } = *self;
        write!(f, "p50 {}, p99 {}, p99.9 {}, ", Time(p50), Time(p99), Time(p999))?;
        write!(f, "p99.99 {}, max {}", Time(p9999), Time(max))
    }
}

/// Writes a time with three to four digits in a unit that suits it.
pub(crate) struct Time(pub(crate) Duration);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_nanos() as f64 {
            ns if ns < 1e3 => write!(f, "{ns} ns"),
            ns if ns < 1e6 => write!(f, "{:.2} µs", ns / 1e3),
            ns if ns < 1e9 => write!(f, "{:.2} ms", ns / 1e6),
            ns => write!(f, "{:.3} s", ns / 1e9),
        }
    }
}

/// Writes a count with its digits in groups of three.
pub(crate) struct Grouped(pub(crate) u64);

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (at, digit) in digits.chars().enumerate() {
            if at > 0 && (digits.len() - at).is_multiple_of(3) {
                f.write_str(",")?;
            }
            write!(f, "{digit}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Explanation, GcReport, Grouped, Report, Time};
    use crate::error::LabError;
    use crate::latency::Latency;
    use crate::measure::Elapsed;
    use crate::scale::Scale;
    use crate::size::ByteSize;
    use crate::workloads::{Finding, Workload};

    const US: Duration = Duration::from_micros(1);

    fn report(finding: Finding) -> Report {
        Report {
            implementation: "mudlark",
            workload: Workload::Pusher,
            threads: 1,
            scale: Scale::FULL,
            timed: Elapsed { wall: Duration::from_millis(1250), cpu: Duration::from_millis(1500) },
            checksum: 7,
            expected: 7,
            objects: 1_000_000,
            finding,
            peak_memory: ByteSize(3 << 20),
            explanation: None,
            gc: Some(GcReport {
                cycles: 3,
                safepoints: 1234,
                pause_p50: US,
                pause_p99: 2 * US,
                pause_max: 10 * US,
                pause_total: 100 * US,
                passed: 4321,
                passed_work_p9999: US / 2,
                work_p99: 3 * US,
                work_max: 4 * US,
                descheduled_max: 6 * US,
                cpu_fraction: 0.25,
                live: ByteSize(1 << 20),
                goal: ByteSize(2 << 20),
                memory_limit: None,
                effective_gc_percent: 100.0,
                external: ByteSize(0),
            }),
        }
    }

    fn latency() -> Finding {
        Finding::Latency(Latency { p50: US, p99: 2 * US, p999: 3 * US, p9999: 4 * US, max: 5 * US })
    }

    #[test]
    fn the_json_line_has_the_agreed_keys_first() {
        let expected = concat!(
            r#"{"impl":"mudlark","workload":"pusher","threads":1,"seconds":1.250000000,"cpu_s":1.500000,"#,
            r#""checksum":7,"latency_us":{"p50":1.000,"p99":2.000,"p999":3.000,"p9999":4.000,"max":5.000},"#,
            r#""peak_rss_kb":3072,"gc":{"cycles":3,"pause_max_us":10.000,"pause_total_us":100.000,"#,
            r#""cpu_fraction":0.2500,"live_bytes":1048576,"goal_bytes":2097152,"safepoints":1234,"#,
            r#""safepoint_p50_us":1.000,"safepoint_p99_us":2.000,"safepoint_max_us":10.000,"#,
            r#""safepoints_passed":4321,"safepoint_work_p9999_us":0.500,"safepoint_work_p99_us":3.000,"#,
            r#""safepoint_work_max_us":4.000,"safepoint_descheduled_max_us":6.000,"#,
            r#""memory_limit_bytes":null,"effective_gc_percent":100.0},"#,
            r#""scale":1.000000,"checksum_ok":true,"objects":1000000}"#
        );
        assert_eq!(report(latency()).to_json(), expected);
    }

    #[test]
    fn what_is_not_measured_is_not_in_the_json() {
        let json = Report { gc: None, ..report(Finding::PerObject) }.to_json();
        assert!(!json.contains("latency_us") && !json.contains("\"gc\""), "{json}");
        assert!(json.ends_with(r#""objects":1000000,"ns_per_object":1250.000}"#), "{json}");
    }

    #[test]
    fn the_text_tells_the_same() {
        let text = report(latency()).to_string();
        let parts = [
            "pusher on mudlark, 1 thread, scale 1\n",
            "1.250 s (1.500 s of CPU)",
            "1,000,000 allocated",
            "p50 1.00 µs, p99 2.00 µs, p99.9 3.00 µs, p99.99 4.00 µs, max 5.00 µs",
            "3 cycles, 25.0 % of CPU",
            "1,234, p50 1.00 µs",
            "3 MiB",
            "1 MiB live after the last cycle, goal 2 MiB\n  pacing       effective GC percent 100, no memory limit\n",
            "7, as it must be\n",
        ];
        for part in parts {
            assert!(text.contains(part), "no {part:?} in {text}");
        }
    }

    #[test]
    fn limits_and_explanations_are_told() {
        let mut limited = report(Finding::Nothing);
        let gc = limited.gc.as_mut().unwrap();
        gc.memory_limit = Some(ByteSize(64 << 20));
        (gc.effective_gc_percent, gc.goal) = (f64::INFINITY, ByteSize(u64::MAX));
        gc.external = ByteSize(5 << 20);
        limited.explanation =
            Some(Explanation { lines: vec!["cycle 1: a \"b\"".to_owned(), "c".to_owned()] });
        let (text, json) = (limited.to_string(), limited.to_json());
        assert!(text.contains("no goal\n"), "{text}");
        assert!(text.contains("percent unbounded, memory limit 64 MiB, 5 MiB external\n"), "{text}");
        assert!(text.ends_with("as it must be\n\ncycle 1: a \"b\"\nc\n"), "{text}");
        let keys = r#""memory_limit_bytes":67108864,"effective_gc_percent":null,"external_bytes":5242880}"#;
        assert!(json.contains(keys), "{json}");
        assert!(json.ends_with(r#""explain":["cycle 1: a \"b\"","c"]}"#), "{json}");
    }

    #[test]
    fn a_wrong_checksum_is_an_error() {
        let wrong = Report { checksum: 8, ..report(Finding::Nothing) };
        assert!(matches!(wrong.judge(), Err(LabError::Checksum { expected: 7, found: 8, .. })));
        assert_eq!(wrong.judge().unwrap_err().exit_code(), 1);
        assert!(wrong.to_json().contains(r#""checksum_ok":false"#));
        assert!(wrong.to_string().contains("8, WRONG: it must be 7"));
        assert!(report(Finding::Nothing).judge().is_ok());
    }

    #[test]
    fn times_and_counts_are_written_to_be_read() {
        let times = [(999, "999 ns"), (1500, "1.50 µs"), (2_500_000, "2.50 ms"), (3_141_000_000, "3.141 s")];
        for (ns, text) in times {
            assert_eq!(Time(Duration::from_nanos(ns)).to_string(), text);
        }
        for (count, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (68_332_206, "68,332,206")] {
            assert_eq!(Grouped(count).to_string(), text);
        }
    }
}
