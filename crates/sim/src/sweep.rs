//! Sweeps: one knob over a range, such as `gc_percent=25..1600:log9`.

use crate::{policy::PolicySpec, policy::parse_size, scenario::Scenario};
use mudlark_collector::pacing::{Bytes, GcPercent, MemoryLimit};
use std::{fmt, str::FromStr};

/// More steps than this are a mistake.
const STEPS_MAX: usize = 1000;

/// A knob that can be swept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SweepKnob {
    /// The GC percent.
    GcPercent,
    /// The memory limit, in bytes.
    MemoryLimit,
    /// Cores of the machine.
    Cores,
    /// The size of a fixed heap.
    FixedHeap,
    /// Cores per GiB.
    ExchangeRate,
    /// The share of collections in the CPU time.
    Share,
}

/// A knob and the values that it takes.
#[derive(Clone, PartialEq, Debug)]
pub struct Sweep {
    /// Which knob.
    pub knob: SweepKnob,
    /// Its values.
    pub values: Vec<f64>,
}

/// A text that is no sweep.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "`{0}` is no sweep; use KNOB=FROM..TO:logN or linN with 2 to 1000 steps, such as gc_percent=25..1600:log9; \
     knobs are gc_percent, memory_limit, cores, fixed_heap, exchange_rate and share"
)]
pub struct SweepError(String);

impl SweepKnob {
    const ALL: [(&'static str, SweepKnob, f64, f64); 6] = [
        ("gc_percent", SweepKnob::GcPercent, 1.0, 1e6),
        ("memory_limit", SweepKnob::MemoryLimit, 1.0, 1e15),
        ("cores", SweepKnob::Cores, 1.0, 65_536.0),
        ("fixed_heap", SweepKnob::FixedHeap, 1.0, 1e15),
        ("exchange_rate", SweepKnob::ExchangeRate, 1e-6, 1e6),
        ("share", SweepKnob::Share, 0.001, 0.9),
    ];

    /// Whether values are rounded.
    fn is_whole(self) -> bool {
        !matches!(self, SweepKnob::ExchangeRate | SweepKnob::Share)
    }

    /// Sets the knob of a scenario or of its policy.
    pub fn set(self, value: f64, scenario: &mut Scenario, policy: &mut PolicySpec) {
        match self {
            SweepKnob::GcPercent => {
                scenario.knobs.percent = GcPercent::Percent(value as u32);
                if let PolicySpec::Percent(percent) = policy {
                    *percent = None;
                }
            }
            SweepKnob::MemoryLimit => scenario.knobs.limit = MemoryLimit::Bytes(Bytes::from_f64(value)),
            SweepKnob::Cores => scenario.knobs.cores = value as u32,
            SweepKnob::FixedHeap => *policy = PolicySpec::Fixed(Bytes::from_f64(value)),
            SweepKnob::ExchangeRate => *policy = PolicySpec::SquareRoot(value),
            SweepKnob::Share => *policy = PolicySpec::Share(value),
        }
    }
}

impl fmt::Display for SweepKnob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = SweepKnob::ALL.iter().find(|(_, knob, ..)| knob == self).map_or("", |(name, ..)| name);
        f.pad(name)
    }
}

impl FromStr for Sweep {
    type Err = SweepError;

    fn from_str(text: &str) -> Result<Sweep, SweepError> {
        parse(text).ok_or_else(|| SweepError(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Sweep> {
    let (name, range) = text.split_once('=')?;
    let &(_, knob, least, most) = SweepKnob::ALL.iter().find(|(known, ..)| *known == name)?;
    let (range, steps) = range.split_once(':')?;
    let (from, to) = range.split_once("..")?;
    let value = |text: &str| {
        let value = text.parse::<f64>().ok().or_else(|| parse_size(text).map(Bytes::as_f64))?;
        (least..=most).contains(&value).then_some(value)
    };
    let (from, to) = (value(from)?, value(to)?);
    let (is_log, count) = match (steps.strip_prefix("log"), steps.strip_prefix("lin")) {
        (Some(count), _) => (true, count),
        (_, Some(count)) => (false, count),
        _ => return None,
    };
    let count = count.parse().ok().filter(|count| (2..=STEPS_MAX).contains(count))?;
    let at = |step: usize| {
        let part = step as f64 / (count - 1) as f64;
        let value = match (step, is_log) {
            (0, _) => from,
            (step, _) if step == count - 1 => to,
            (_, true) => from * (to / from).powf(part),
            (_, false) => from + (to - from) * part,
        };
        if knob.is_whole() { value.round() } else { value }
    };
    Some(Sweep { knob, values: (0..count).map(at).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: sweeps are read, and mistakes are refused. Method: a few of each.
    #[test]
    fn sweeps_are_read() {
        let sweep: Sweep = "gc_percent=25..1600:log7".parse().unwrap();
        assert_eq!(sweep.values, [25.0, 50.0, 100.0, 200.0, 400.0, 800.0, 1600.0]);
        let sweep: Sweep = "memory_limit=100MiB..200MiB:lin3".parse().unwrap();
        assert_eq!(sweep.values, [104_857_600.0, 157_286_400.0, 209_715_200.0]);
        let mistakes = [
            "",
            "gc_percent",
            "gc_percent=1",
            "gc_percent=1..2",
            "gc_percent=1..2:3",
            "gc_percent=1..2:log1",
            "gc_percent=0..2:log3",
            "gc_percent=a..2:log3",
            "magic=1..2:log3",
            "gc_percent=1..2:log9999",
            "gc_percent=1..inf:log3",
            "share=0.1..2:lin3",
        ];
        for mistake in mistakes {
            assert!(mistake.parse::<Sweep>().is_err(), "{mistake}");
        }
    }
}
