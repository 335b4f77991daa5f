//! How long single operations take.

use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

/// Times a row of operations, each from the end of the one before.
///
/// One reading of the clock per operation is cheaper than two, and no pause between two operations is lost.
#[derive(Debug)]
pub struct Laps {
    histogram: Histogram<u32>,
    last: Instant,
}

impl Laps {
    /// Longest lap told apart from others, in nanoseconds; longer ones are counted as this.
    const LONGEST_NS: u64 = 60_000_000_000;
    /// Three digits keep a percentile within 0.1 %.
    const DIGITS: u8 = 3;

    /// Starts the first lap now.
    pub fn start() -> Self {
        let histogram = Histogram::new_with_bounds(1, Self::LONGEST_NS, Self::DIGITS)
            .expect("the bounds are constant and in order");
        Self { histogram, last: Instant::now() }
    }

    /// Ends a lap and starts the next one.
    #[inline]
    pub fn lap(&mut self) {
        let now = Instant::now();
        self.record(now - self.last);
        self.last = now;
    }

    #[inline]
    fn record(&mut self, lap: Duration) {
        self.histogram.saturating_record(lap.as_nanos() as u64);
    }

    /// Returns the percentiles of all laps so far.
    pub fn summary(&self) -> Latency {
        let quantile = |q| Duration::from_nanos(self.histogram.value_at_quantile(q));
        Latency {
            p50: quantile(0.5),
            p99: quantile(0.99),
            p999: quantile(0.999),
            p9999: quantile(0.9999),
            max: Duration::from_nanos(self.histogram.max()),
        }
    }
}

/// Percentiles of the time an operation takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    /// Half of the operations took at most this long.
    pub p50: Duration,
    /// 99 % took at most this long.
    pub p99: Duration,
    /// 99.9 % took at most this long.
    pub p999: Duration,
    /// 99.99 % took at most this long.
    pub p9999: Duration,
    /// The longest one.
    pub max: Duration,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Laps;

    #[test]
    fn percentiles_are_those_of_the_recorded_laps() {
        let mut laps = Laps::start();
        for us in 1..=10_000 {
            laps.record(Duration::from_micros(us));
        }
        let latency = laps.summary();
        let near = |found: Duration, us: f64| (found.as_secs_f64() * 1e6 / us - 1.0).abs() < 0.002;
        assert!(near(latency.p50, 5000.0), "{latency:?}");
        assert!(near(latency.p99, 9900.0), "{latency:?}");
        assert!(near(latency.p9999, 9999.0), "{latency:?}");
        assert!(near(latency.max, 10_000.0), "{latency:?}");
    }
}
