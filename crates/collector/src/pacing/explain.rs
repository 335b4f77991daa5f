//! Explanations: each decision leaves a record of what went in, which formula, which clamp bound, and what came out.
//!
//! Records are values of a fixed size in a ring of a fixed size: keeping them costs copies, no allocation. Their `Display`
//! is the text that `mudlark explain` shows.

use super::{
    GcPercent,
    answer::Formula,
    assist::Stretch,
    guard::Rejection,
    idle::IdleAction,
    limit::MemoryLimit,
    pressure::PressureChange,
    ramp_up::RampUp,
    records::Cause,
    runway::{Bound, TriggerAnswer},
    scavenging::ScavengeAnswer,
    units::{Bytes, Nanos, ScanWork},
    workers::Workers,
};

/// Records that are kept.
pub const RECORDS_MAX: usize = 256;

/// What ruled a goal.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Rule {
    /// The goal policy.
    #[default]
    Policy,
    /// The last good goal: the guard rejected the policy's answer.
    Kept,
    /// A ramp-up, or its repayment.
    RampUp,
    /// The last cycle is not swept yet: 1 MiB more than it left.
    Sweeping,
    /// The cycle runs already: 64 KiB more than where it began.
    Running,
    /// The memory limit.
    MemoryLimit,
    /// The maximum heap.
    MaxHeap,
}

/// A goal and a trigger.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct PlanRecord {
    /// What is live.
    pub live: Bytes,
    /// The knob.
    pub percent: GcPercent,
    /// The knob.
    pub limit: MemoryLimit,
    /// The goal policy.
    pub policy: &'static str,
    /// What it answered, and why.
    pub formula: Formula,
    /// What it answered, checked.
    pub policy_goal: Bytes,
    /// What the limits leave.
    pub limit_goal: Bytes,
    /// The goal.
    pub goal: Bytes,
    /// What ruled it.
    pub rule: Rule,
    /// The runway policy.
    pub runway_policy: &'static str,
    /// What it answered.
    pub answer: TriggerAnswer,
    /// Work that the next cycle is expected to do.
    pub expected: ScanWork,
    /// The trigger.
    pub trigger: Bytes,
}

/// The begin of a cycle.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct BeginRecord {
    /// Why.
    pub cause: Cause,
    /// The live estimate.
    pub live: Bytes,
    /// The goal now.
    pub goal: Bytes,
    /// Who marks.
    pub workers: Workers,
    /// The first assist ratio.
    pub ratio: f64,
}

/// An assist ratio that was found in another way than the one before.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct AssistRecord {
    /// The live estimate.
    pub live: Bytes,
    /// Scanned so far.
    pub done: ScanWork,
    /// The goal that the ratio steers to.
    pub goal: Bytes,
    /// The work that it counts with.
    pub expected: ScanWork,
    /// How it was found.
    pub stretch: Stretch,
    /// The ratio.
    pub ratio: f64,
}

/// The end of a cycle.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct EndRecord {
    /// The live estimate, before anything was found dead.
    pub peak: Bytes,
    /// The goal at the end.
    pub goal: Bytes,
    /// What is live.
    pub live: Bytes,
    /// Scanned.
    pub work: ScanWork,
    /// How long it marked.
    pub duration: Nanos,
    /// Share of the CPU: a quarter and the assists.
    pub utilization: f64,
    /// Share of the CPU that assists had.
    pub assists: f64,
    /// Share of the CPU that background marking really had; zero if nobody measured it.
    pub background: f64,
}

/// A decision.
#[derive(Clone, Copy, PartialEq, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "records lie in a ring of a fixed size, and plans are the most of them"
)]
pub enum Decision {
    /// A goal and a trigger.
    Plan(PlanRecord),
    /// A cycle began.
    Begin(BeginRecord),
    /// Assists steer by another formula.
    Assist(AssistRecord),
    /// A cycle is complete.
    End(EndRecord),
    /// A cycle was given up.
    Abandoned {
        /// What counts as live now: all.
        live: Bytes,
    },
    /// The CPU limiter went on or off.
    Limiter(bool),
    /// The idle automaton asked for something.
    Idle(IdleAction),
    /// Memory goes back to the system.
    Scavenge(ScavengeAnswer),
    /// A ramp-up began or ended.
    RampUp(RampUp),
    /// Pressure changed.
    Pressure(PressureChange),
    /// A policy's answer was rejected.
    Rejected(Rejection),
}

/// A decision, and when it was made.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Record {
    /// The cycle that it is about: the running one, or the next. Counted from 1.
    pub cycle: u64,
    /// When it was made, as far as the caller said.
    pub at: Nanos,
    /// The decision.
    pub decision: Decision,
}

/// The last records.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    records: Vec<Record>,
    /// Where the next one goes.
    next: usize,
}

impl Ring {
    /// An empty ring.
    pub(super) fn new() -> Ring {
        Ring { records: Vec::with_capacity(RECORDS_MAX), next: 0 }
    }

    #[inline]
    pub(super) fn push(&mut self, record: Record) {
        if self.records.len() < RECORDS_MAX {
            self.records.push(record);
        } else {
            self.records[self.next] = record;
        }
        self.next = (self.next + 1) % RECORDS_MAX;
    }

    /// From the oldest to the newest.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Record> {
        let oldest = if self.records.len() < RECORDS_MAX { 0 } else { self.next };
        let (newer, older) = self.records.split_at(oldest);
        older.iter().chain(newer)
    }
}

/// What a bound does to a trigger, in words.
pub(super) fn bound_text(bound: Bound) -> &'static str {
    match bound {
        Bound::None => "goal - runway, unclamped in",
        Bound::Earliest => "the earliest allowed in",
        Bound::Latest => "the latest allowed in",
        Bound::NoRoom => "the goal, because it leaves no room, in",
    }
}
