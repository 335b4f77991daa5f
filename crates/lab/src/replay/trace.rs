//! A scenario as this machine can follow it.

use std::thread::available_parallelism;

use mudlark_sim::{scenario::Scenario, scenarios, stream::Stream};

use super::error::ReplayError;

/// Without a word from the user, no replay takes longer.
const SECONDS_MAX: f64 = 12.0;
/// Without a word from the user, one of so many new objects replaces one that is kept.
const CHURN: u64 = 8;
/// Changes of a stream that are looked at to find its largest value.
const CHANGES_MAX: usize = 1_000_000;

/// A program for both sides, and the machine.
#[derive(Clone, Debug)]
pub(super) struct Trace {
    pub(super) scenario: Scenario,
    /// How long, in seconds.
    pub(super) seconds: f64,
    /// Threads of the program.
    pub(super) threads: usize,
    /// The most that it wants to have alive.
    pub(super) live_max: f64,
    /// One of so many new objects replaces one that is kept; none with 0.
    pub(super) churn: u64,
}

/// The cores of this machine, as the heap counts them.
pub(super) fn cores() -> u32 {
    available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX))
}

impl Trace {
    /// The trace of a scenario. Its cores become those of this machine.
    pub(super) fn new(name: &str, seed: u64, seconds: Option<f64>) -> Result<Trace, ReplayError> {
        let mut scenario =
            scenarios::named(name, seed).ok_or_else(|| ReplayError::NoScenario { name: name.to_owned() })?;
        let refuse = |what| Err(ReplayError::NotReal { name: name.to_owned(), what });
        let seconds = seconds.unwrap_or(scenario.seconds.min(SECONDS_MAX));
        let cores = cores();
        let horizon = seconds * f64::from(cores);
        if scenario.machine.end_delay > 0.0 {
            return refuse("a machine that is late on purpose");
        }
        if scenario.program.globals > 1e6 || largest(&scenario.program.stacks, horizon) > 1e6 {
            return refuse("stacks and globals to scan, and this heap scans neither");
        }
        scenario.knobs.cores = cores;
        let threads =
            largest(&scenario.program.threads, seconds).min(f64::from(cores)).ceil().max(1.0) as usize;
        let live_max = largest(&scenario.program.live, horizon);
        Ok(Trace { scenario, seconds, threads, live_max, churn: CHURN })
    }

    /// The same with another churn.
    pub(super) fn with_churn(self, churn: u64) -> Trace {
        Trace { churn, ..self }
    }

    /// Cores that the program wants and can have at a time of the clock.
    pub(super) fn wanted(&self, clock: f64) -> f64 {
        self.scenario.program.threads.at(clock).clamp(0.0, self.threads as f64)
    }
}

/// The largest value of a stream until some time.
fn largest(stream: &Stream, until: f64) -> f64 {
    let (mut time, mut largest) = (0.0, stream.at(0.0));
    for _ in 0..CHANGES_MAX {
        time = stream.next_change(time);
        if time > until {
            break;
        }
        // Just behind the change, wherever rounding puts it.
        largest = largest.max(stream.at(time + 1e-8));
    }
    largest
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a trace fits the machine, or is refused with the reason. Method: some scenarios.
    #[test]
    fn a_trace_fits_the_machine() {
        let trace = Trace::new("live-jump-2", 1, None).unwrap();
        assert_eq!((trace.live_max, trace.seconds), (300e6, 4.0));
        assert!(trace.threads as u32 <= cores() && trace.scenario.knobs.cores == cores());
        assert_eq!(Trace::new("steady", 1, Some(0.5)).unwrap().seconds, 0.5);
        assert_eq!(Trace::new("steady", 1, None).unwrap().seconds, SECONDS_MAX);
        assert_eq!(Trace::new("idle-2", 1, None).unwrap().wanted(3.0), 0.0);
        for name in ["big-stacks", "big-globals", "late-end"] {
            assert!(matches!(Trace::new(name, 1, None), Err(ReplayError::NotReal { .. })), "{name}");
        }
        assert!(matches!(Trace::new("nothing", 1, None), Err(ReplayError::NoScenario { .. })));
    }
}
