//! The result of a torture, as a text and as a line of JSON.

use std::fmt;
use std::time::Duration;

use mudlark::{GcPercent, HeapStats, VerifyReport, Zeal};

use super::op::Op;
use super::thread::Tally;
use crate::json::Object;
use crate::report::{Grouped, Time, micros};
use crate::size::ByteSize;

/// What a torture did. That there is one says that nothing was found.
#[derive(Debug)]
pub struct TortureReport {
    pub(super) seed: u64,
    pub(super) threads: usize,
    pub(super) workers: usize,
    pub(super) gc_percent: GcPercent,
    pub(super) zeal: Zeal,
    pub(super) time: Duration,
    pub(super) tally: Tally,
    pub(super) payloads: u64,
    pub(super) stats: HeapStats,
    pub(super) verify: VerifyReport,
    pub(super) rss_warm: ByteSize,
    pub(super) rss_end: ByteSize,
}

impl TortureReport {
    /// Writes the report as one line of JSON, without the end of the line.
    pub fn to_json(&self) -> String {
        let Self { tally, stats, verify, zeal, .. } = self;
        let mut by_kind = Object::new();
        for ((_, name, _), count) in Op::ALL.iter().zip(tally.ops) {
            by_kind = by_kind.integer(name, count);
        }
        let zeal = Object::new()
            .integer("allocations_per_cycle", zeal.allocations_per_cycle.unwrap_or(0).into())
            .flag("yields", zeal.yields)
            .flag("extra_rounds", zeal.extra_rounds)
            .flag("fill_freed", zeal.fill_freed);
        let safepoints = &stats.safepoints;
        Object::new()
            .text("impl", "mudlark")
            .text("workload", "torture")
            .integer("seed", self.seed)
            .integer("threads", self.threads as u64)
            .integer("workers", self.workers as u64)
            .text("gc_percent", &self.gc_percent.to_string())
            .object("zeal", zeal)
            .number("seconds", self.time.as_secs_f64(), 3)
            .integer("ops", tally.total())
            .object("ops_by_kind", by_kind)
            .integer("objects", tally.objects)
            .integer("payloads", self.payloads)
            .integer("heap_full", tally.full)
            .integer("cycles", stats.cycles)
            .integer("verified_cycles", verify.cycles)
            .integer("unverified_cycles", verify.skipped)
            .integer("verified_objects", verify.objects)
            .integer("violations", verify.violations.len() as u64)
            .integer("rss_warm_kb", self.rss_warm.0 / 1024)
            .integer("rss_end_kb", self.rss_end.0 / 1024)
            .integer("safepoints", safepoints.pauses.count)
            .number("safepoint_p50_us", micros(Duration::from_nanos(safepoints.pauses.p50_ns)), 3)
            .number("safepoint_p99_us", micros(Duration::from_nanos(safepoints.pauses.p99_ns)), 3)
            .number("safepoint_max_us", micros(Duration::from_nanos(safepoints.pauses.max_ns)), 3)
            .number("safepoint_work_p99_us", micros(Duration::from_nanos(safepoints.work.p99_ns)), 3)
            .number("safepoint_work_max_us", micros(Duration::from_nanos(safepoints.work.max_ns)), 3)
            .finish()
    }
}

impl fmt::Display for TortureReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, tally, stats, verify, .. } = self;
        let threads = if self.threads == 1 { "thread" } else { "threads" };
        writeln!(f, "torture on mudlark, {} {threads}, seed {seed}: nothing wrong", self.threads)?;
        writeln!(f, "  time         {}", Time(self.time))?;
        writeln!(
            f,
            "  heap         workers {}, GC percent {}, {}",
            self.workers,
            self.gc_percent,
            Zealous(self.zeal)
        )?;
        writeln!(f, "  operations   {}", Grouped(tally.total()))?;
        write!(f, "  objects      {} allocated, ", Grouped(tally.objects))?;
        writeln!(f, "{} payloads dropped", Grouped(self.payloads))?;
        if tally.full > 0 {
            writeln!(f, "  heap full    {} times", Grouped(tally.full))?;
        }
        write!(f, "  cycles       {}, of these verified {}", Grouped(stats.cycles), Grouped(verify.cycles))?;
        writeln!(f, " (not {}): {} violations", Grouped(verify.skipped), verify.violations.len())?;
        let pauses = &stats.safepoints.pauses;
        let [p50, p99, max] =
            [pauses.p50_ns, pauses.p99_ns, pauses.max_ns].map(|ns| Time(Duration::from_nanos(ns)));
        writeln!(f, "  safepoints   {}, p50 {p50}, p99 {p99}, max {max}", Grouped(pauses.count))?;
        writeln!(f, "  memory       {} after the warm-up, {} at the end", self.rss_warm, self.rss_end)
    }
}

/// Writes what is not as usual.
struct Zealous(Zeal);

impl fmt::Display for Zealous {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Zeal { allocations_per_cycle, yields, extra_rounds, fill_freed, .. } = self.0;
        let every = allocations_per_cycle.map(|count| format!("a cycle per {count} allocations"));
        let named = [(yields, "yields"), (extra_rounds, "extra rounds"), (fill_freed, "fills what is freed")];
        let named = named.iter().filter(|(is_on, _)| *is_on).map(|(_, name)| (*name).to_owned());
        let all: Vec<String> = every.into_iter().chain(named).collect();
        if all.is_empty() { f.write_str("no zeal") } else { write!(f, "zeal: {}", all.join(", ")) }
    }
}
