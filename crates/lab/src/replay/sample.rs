//! What the main thread sees of a run every 50 ms, and what the series of it says.

use super::trace::Trace;

/// The window over which mutators' share of the CPU is looked at, as in the simulator.
pub(super) const WINDOW_SECONDS: f64 = mudlark_sim::metrics::WINDOW_SECONDS;

/// One look. Times in seconds, CPU times since the begin of the run.
#[derive(Clone, Copy, PartialEq, Default, Debug)]
pub(super) struct Sample {
    pub(super) clock: f64,
    /// CPU time of the program, without assists.
    pub(super) mutator: f64,
    /// CPU time that it wanted until then: cores, over time.
    pub(super) wanted: f64,
    /// Resident memory beyond what the process had before it had a heap.
    pub(super) resident: f64,
    /// What the heap has from the system: blocks and side tables.
    pub(super) committed: f64,
    pub(super) live_now: f64,
}

/// The samples of a run.
#[derive(Default, Debug)]
pub(super) struct Samples(Vec<Sample>);

impl Samples {
    /// Adds one; they come in the order of time.
    pub(super) fn push(&mut self, sample: Sample) {
        self.0.push(sample);
    }

    /// All of them, in the order of time.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Sample> {
        self.0.iter()
    }

    pub(super) fn last(&self) -> Sample {
        self.0.last().copied().unwrap_or_default()
    }

    pub(super) fn resident_max(&self) -> f64 {
        self.0.iter().map(|sample| sample.resident).fold(0.0, f64::max)
    }

    pub(super) fn committed_max(&self) -> f64 {
        self.0.iter().map(|sample| sample.committed).fold(0.0, f64::max)
    }

    /// The least share that the program had of the cores it wanted, over any window; over all of it, if the run is shorter. 1 if it
    /// wanted none.
    pub(super) fn mutator_share_min(&self) -> f64 {
        let zero = Sample::default();
        let mut least = f64::INFINITY;
        let mut from = 0;
        let samples: Vec<&Sample> = std::iter::once(&zero).chain(&self.0).collect();
        for (at, sample) in samples.iter().enumerate() {
            // The shortest stretch that is no shorter than a window.
            while from < at && sample.clock - samples[from + 1].clock >= WINDOW_SECONDS {
                from += 1;
            }
            let is_whole = sample.clock - samples[from].clock >= WINDOW_SECONDS;
            if is_whole || at + 1 == samples.len() && least == f64::INFINITY {
                let begin = samples[from];
                let wanted = sample.wanted - begin.wanted;
                if wanted > 0.0 {
                    least = least.min((sample.mutator - begin.mutator) / wanted);
                }
            }
        }
        if least == f64::INFINITY { 1.0 } else { least }
    }

    /// How long after the program fell silent the heap had no more than `bound` from the system, for good. `None` if it never came
    /// to that, or if the program was never silent.
    pub(super) fn returned_after(&self, trace: &Trace, bound: f64) -> Option<f64> {
        let silent = self.0.iter().position(|sample| trace.wanted(sample.clock) == 0.0)?;
        let more = self.0.iter().rposition(|sample| sample.committed > bound).map_or(0, |at| at + 1);
        let sample = self.0.get(more.max(silent))?;
        Some(sample.clock - self.0[silent].clock)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(shares: &[f64]) -> Samples {
        let mut samples = Samples::default();
        let mut sample = Sample::default();
        for share in shares {
            sample.clock += 0.1;
            sample.wanted += 0.2;
            sample.mutator += 0.2 * share;
            samples.push(sample);
        }
        samples
    }

    /// Goal: the worst two seconds are found. Method: shares by hand.
    #[test]
    fn the_worst_window_is_found() {
        let mut shares = [1.0; 60];
        shares[30..40].fill(0.2);
        let least = samples(&shares).mutator_share_min();
        // Rounding may make the window a sample longer.
        assert!((0.6..0.62).contains(&least), "{least}");
        assert!((samples(&[0.5; 10]).mutator_share_min() - 0.5).abs() < 1e-9, "a short run is one window");
        assert_eq!(samples(&[]).mutator_share_min(), 1.0);
    }

    /// Goal: memory that comes back is taken as such only from the last time that there was more of it. Method: a series by hand.
    #[test]
    fn memory_returns_for_good() {
        let trace = Trace::new("idle-2", 1, None).unwrap();
        let series = [(1.0, 5.0), (2.5, 9.0), (3.0, 4.0), (3.5, 7.0), (4.5, 4.0), (5.0, 4.0)];
        let mut samples = Samples::default();
        for (clock, committed) in series {
            samples.push(Sample { clock, committed, ..Sample::default() });
        }
        assert_eq!(samples.returned_after(&trace, 5.0), Some(2.0));
        assert_eq!(samples.returned_after(&trace, 3.0), None);
        assert_eq!(samples.returned_after(&trace, 10.0), Some(0.0));
    }
}
