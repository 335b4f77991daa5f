//! How much of a workload is run.

use std::fmt;
use std::str::FromStr;

/// A factor on the counts of a workload; 1 is the whole workload, as defined. Depths and sizes stay.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Scale(f64);

/// Why a text is no scale.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a scale is a number above 0 and at most 1000, such as 0.1; 1 is the whole workload")]
pub struct ScaleError;

impl Scale {
    /// The whole workload.
    pub const FULL: Self = Self(1.0);
    const MAX: f64 = 1000.0;

    /// Returns the factor as a number.
    pub const fn factor(self) -> f64 {
        self.0
    }

    /// Scales a count of the whole workload; at least 1 is left.
    pub fn count(self, full: u64) -> u64 {
        ((full as f64 * self.0).round() as u64).max(1)
    }
}

impl FromStr for Scale {
    type Err = ScaleError;

    fn from_str(text: &str) -> Result<Self, ScaleError> {
        match text.trim().parse::<f64>() {
            // NaN and infinity fail this comparison as well.
            Ok(factor) if factor > 0.0 && factor <= Self::MAX => Ok(Self(factor)),
            _ => Err(ScaleError),
        }
    }
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::{Scale, ScaleError};

    #[test]
    fn counts_are_rounded_and_never_vanish() {
        let tenth: Scale = "0.1".parse().unwrap();
        assert_eq!(tenth.count(1_000_000), 100_000);
        assert_eq!(tenth.count(3), 1);
        assert_eq!(Scale::FULL.count(200_000_000), 200_000_000);
    }

    #[test]
    fn what_is_no_scale_is_refused() {
        for text in ["", "0", "-0", "-1", "nan", "inf", "-inf", "1001", "1e300", "half", "1%"] {
            assert_eq!(text.parse::<Scale>(), Err(ScaleError), "{text}");
        }
    }
}
