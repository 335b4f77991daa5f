//! The cycles of a real run, from the pacer's own records.

use std::collections::BTreeMap;

use mudlark::pacing::{BeginRecord, Bytes, Cause, Decision, EndRecord, GcPercent, Nanos, Record};

/// A cycle that is complete.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Cycle {
    pub(super) number: u64,
    pub(super) begin: BeginRecord,
    pub(super) end: EndRecord,
}

impl Cycle {
    /// Peak over goal; 1 without a goal.
    pub(super) fn goal_ratio(&self) -> f64 {
        match self.end.goal {
            Bytes::ZERO | Bytes::MAX => 1.0,
            goal => self.end.peak.as_f64() / goal.as_f64(),
        }
    }

    /// Peak over the hard goal, which is as far again beyond the goal as the percent of it.
    pub(super) fn hard_ratio(&self, percent: GcPercent) -> f64 {
        match percent {
            GcPercent::Off => 0.0,
            GcPercent::Percent(percent) => self.goal_ratio() / (1.0 + f64::from(percent) / 100.0),
        }
    }

    /// Whether it began because the heap had grown to its trigger: others do not aim at the goal.
    pub(super) fn is_triggered(&self) -> bool {
        self.begin.cause == Cause::Trigger
    }

    /// How long it marked, in seconds.
    pub(super) fn seconds(&self) -> f64 {
        self.end.duration.as_f64() / 1e9
    }
}

/// Begins and ends, while a run goes on. The pacer forgets; whoever looks often enough does not.
#[derive(Default, Debug)]
pub(super) struct Logbook {
    begins: BTreeMap<u64, BeginRecord>,
    ends: BTreeMap<u64, EndRecord>,
    /// What happened besides, by time.
    events: BTreeMap<(Nanos, u64), String>,
}

impl Logbook {
    /// Takes what the pacer remembers now.
    pub(super) fn read(&mut self, records: &[Record]) {
        for record in records {
            match record.decision {
                Decision::Begin(begin) => _ = self.begins.insert(record.cycle, begin),
                Decision::End(end) => _ = self.ends.insert(record.cycle, end),
                Decision::Limiter(_) | Decision::Idle(_) | Decision::RampUp(_) => {
                    self.events.entry((record.at, record.cycle)).or_insert_with(|| record.to_string());
                }
                _ => {}
            }
        }
    }

    /// The cycles of which begin and end are known, in order.
    pub(super) fn cycles(&self) -> Vec<Cycle> {
        let both = |(&number, &end)| self.begins.get(&number).map(|&begin| Cycle { number, begin, end });
        self.ends.iter().filter_map(both).collect()
    }

    /// What the limiter, the idle automaton and a ramp-up did: when, in seconds since the heap was made, and what.
    pub(super) fn events(self) -> Vec<(f64, String)> {
        self.events.into_iter().map(|((at, _), text)| (at.as_f64() / 1e9, text)).collect()
    }
}
