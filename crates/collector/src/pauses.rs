//! A histogram of durations that many threads can record into.

use mudlark_arena::sync::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Sub-buckets of each power of two: values are known to 1/16.
const STEPS: usize = 16;
const BUCKETS: usize = STEPS * 37;

/// Durations in buckets of about 6 % width, up to some minutes. Relaxed throughout: a snapshot may miss what is
/// being recorded.
#[derive(Debug)]
pub(crate) struct Histogram {
    buckets: Box<[AtomicU64]>,
    max: AtomicU64,
    total: AtomicU64,
}

/// What a histogram says, in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct PauseSummary {
    /// How many were recorded.
    pub count: u64,
    /// Half of them took at most this.
    pub p50_ns: u64,
    /// 99 % of them took at most this.
    pub p99_ns: u64,
    /// 99.99 % of them took at most this.
    pub p9999_ns: u64,
    /// The longest.
    pub max_ns: u64,
    /// All together.
    pub total_ns: u64,
}

impl Default for Histogram {
    fn default() -> Histogram {
        let buckets = if cfg!(loom) { 0 } else { BUCKETS };
        Histogram {
            buckets: (0..buckets).map(|_| AtomicU64::new(0)).collect(),
            max: AtomicU64::new(0),
            total: AtomicU64::new(0),
        }
    }
}

impl Histogram {
    pub(crate) fn record(&self, duration: Duration) {
        let ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        if let Some(bucket) = self.buckets.get(bucket_of(ns).min(BUCKETS - 1)) {
            bucket.fetch_add(1, Relaxed);
        }
        self.max.fetch_max(ns, Relaxed);
        self.total.fetch_add(ns, Relaxed);
    }

    /// The time that all but `part` (99.99 % is 0.9999) of `population` stayed within, if those that were not recorded took none.
    pub(crate) fn quantile_of(&self, population: u64, part: f64) -> u64 {
        let mut above = (population as f64 * (1.0 - part)).floor() as u64;
        for (bucket, count) in self.buckets.iter().enumerate().rev() {
            let count = count.load(Relaxed);
            if count > above {
                return upper_ns(bucket).min(self.max.load(Relaxed));
            }
            above -= count;
        }
        0
    }

    pub(crate) fn summary(&self) -> PauseSummary {
        let counts: Vec<u64> = self.buckets.iter().map(|bucket| bucket.load(Relaxed)).collect();
        let count = counts.iter().sum();
        let max_ns = self.max.load(Relaxed);
        let quantile = |part: f64| {
            let rank = (count as f64 * part).ceil() as u64;
            let mut seen = 0;
            let bucket = counts.iter().position(|&n| {
                seen += n;
                seen >= rank.max(1)
            });
            bucket.map_or(0, |bucket| upper_ns(bucket).min(max_ns))
        };
        let total_ns = self.total.load(Relaxed);
        PauseSummary {
            count,
            p50_ns: quantile(0.5),
            p99_ns: quantile(0.99),
            p9999_ns: quantile(0.9999),
            max_ns,
            total_ns,
        }
    }
}

fn bucket_of(ns: u64) -> usize {
    let shift = (ns | 1).ilog2().saturating_sub(STEPS.ilog2());
    shift as usize * STEPS + (ns >> shift) as usize
}

/// The largest value that falls into a bucket.
fn upper_ns(bucket: usize) -> u64 {
    if bucket < 2 * STEPS {
        return bucket as u64;
    }
    let shift = bucket / STEPS - 1;
    (((bucket % STEPS + STEPS) as u64 + 1) << shift) - 1
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Goal: quantiles are right to 1/16. Method: buckets of many values; a known distribution.
    #[test]
    fn quantiles_are_close() {
        for ns in (0..1_u64 << 36).step_by(77_777_777).chain(0..5000) {
            let upper = upper_ns(bucket_of(ns));
            assert!(upper >= ns && upper - ns <= ns / 16, "{ns} falls into a bucket up to {upper}");
        }
        let histogram = Histogram::default();
        for us in 1..=1000 {
            histogram.record(Duration::from_micros(us));
        }
        let summary = histogram.summary();
        assert_eq!((summary.count, summary.max_ns), (1000, 1_000_000));
        assert!((500_000..=532_000).contains(&summary.p50_ns), "{summary:?}");
        assert!((990_000..=1_000_000).contains(&summary.p99_ns), "{summary:?}");
        // The longest of 1000, the tenth of them, and the 101st: among a thousand, ten thousand, and a million.
        assert_eq!(histogram.quantile_of(1000, 0.9999), 1_000_000);
        assert!((990_000..=1_000_000).contains(&histogram.quantile_of(100_000, 0.9999)));
        assert!((890_000..=956_000).contains(&histogram.quantile_of(1_000_000, 0.9999)));
        assert_eq!(histogram.quantile_of(100_000_000, 0.9999), 0);
    }
}
