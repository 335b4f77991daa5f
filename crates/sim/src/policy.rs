//! Policies by name, as a command line gives them.

use mudlark_collector::pacing::{
    Bytes, FixedHeap, GcPercent, Knobs, NoAssists, NoGc, Parts, SquareRoot, TargetShare,
};
use std::{fmt, str::FromStr};

/// Sizes beyond this are mistakes: 2^50.
const SIZE_MAX: f64 = (1_u64 << 50) as f64;

/// A policy and its knob.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum PolicySpec {
    /// Go's rules, with the percent of the scenario or another.
    Percent(Option<GcPercent>),
    /// A heap of one size.
    Fixed(Bytes),
    /// MemBalancer, with an exchange rate in cores per GiB.
    SquareRoot(f64),
    /// A share of the CPU time.
    Share(f64),
    /// No collection.
    None,
    /// Go's rules without assists.
    NoAssists,
}

/// A text that names no policy.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "`{0}` names no policy; use percent, percent:50, percent:off, fixed:64MiB, sqrt:0.3 (cores per GiB), \
     share:0.04, no-assists or none"
)]
pub struct PolicyError(String);

impl PolicySpec {
    /// The parts of a pacer with this policy.
    pub fn parts(self, cores: u32) -> Parts {
        let parts = Parts::on(cores);
        match self {
            PolicySpec::Percent(_) => parts,
            PolicySpec::Fixed(size) => parts.with_goal(FixedHeap { size }),
            PolicySpec::SquareRoot(rate) => parts.with_goal(SquareRoot::new(rate)),
            PolicySpec::Share(share) => parts.with_goal(TargetShare::new(share)),
            PolicySpec::None => parts.with_goal(NoGc),
            PolicySpec::NoAssists => parts.with_assist(NoAssists),
        }
    }

    /// The knobs of a scenario, with that of the policy.
    pub fn knobs(self, knobs: Knobs) -> Knobs {
        match self {
            PolicySpec::Percent(Some(percent)) => Knobs { percent, ..knobs },
            PolicySpec::None => Knobs { percent: GcPercent::Off, ..knobs },
            _ => knobs,
        }
    }
}

impl fmt::Display for PolicySpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PolicySpec::Percent(None) => f.write_str("percent"),
            PolicySpec::Percent(Some(percent)) => write!(f, "percent:{percent}"),
            PolicySpec::Fixed(size) => write!(f, "fixed:{}", size.0),
            PolicySpec::SquareRoot(rate) => write!(f, "sqrt:{rate}"),
            PolicySpec::Share(share) => write!(f, "share:{share}"),
            PolicySpec::None => f.write_str("none"),
            PolicySpec::NoAssists => f.write_str("no-assists"),
        }
    }
}

impl FromStr for PolicySpec {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<PolicySpec, PolicyError> {
        let error = || PolicyError(text.to_owned());
        let (name, knob) = text.split_once(':').map_or((text, None), |(name, knob)| (name, Some(knob)));
        let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
        let policy = match (name, knob) {
            ("percent" | "go", None) => Some(PolicySpec::Percent(None)),
            ("percent" | "go", Some(knob)) => {
                knob.parse().ok().map(|percent| PolicySpec::Percent(Some(percent)))
            }
            ("fixed", Some(knob)) => parse_size(knob).map(PolicySpec::Fixed),
            ("sqrt", None) => Some(PolicySpec::SquareRoot(SquareRoot::EXCHANGE_RATE_V8)),
            ("sqrt", Some(knob)) => {
                let knob = knob.strip_suffix("core/GiB").unwrap_or(knob);
                number(knob).filter(|&rate| rate > 0.0).map(PolicySpec::SquareRoot)
            }
            ("share", Some(knob)) => {
                let share = match knob.strip_suffix('%') {
                    Some(percent) => number(percent).map(|percent| percent / 100.0),
                    None => number(knob),
                };
                share.filter(|share| (0.001..=0.9).contains(share)).map(PolicySpec::Share)
            }
            ("no-assists", None) => Some(PolicySpec::NoAssists),
            ("none", None) => Some(PolicySpec::None),
            _ => None,
        };
        policy.ok_or_else(error)
    }
}

/// Reads a size such as `64MiB`, `1.5GB` or `4096`.
pub fn parse_size(text: &str) -> Option<Bytes> {
    let units = [
        ("KiB", 1024.0),
        ("MiB", 1_048_576.0),
        ("GiB", 1_073_741_824.0),
        ("kB", 1e3),
        ("MB", 1e6),
        ("GB", 1e9),
        ("B", 1.0),
    ];
    let (number, unit) = units
        .iter()
        .find_map(|&(name, unit)| text.strip_suffix(name).map(|number| (number, unit)))
        .unwrap_or((text, 1.0));
    let bytes = number.trim_end().parse::<f64>().ok()? * unit;
    (1.0..=SIZE_MAX).contains(&bytes).then(|| Bytes::from_f64(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: each policy has a name, and nothing else is one. Method: there and back; mistakes.
    #[test]
    fn policies_have_names() {
        let names = [
            "percent",
            "percent:50",
            "percent:off",
            "fixed:67108864",
            "sqrt:0.3",
            "share:0.04",
            "none",
            "no-assists",
        ];
        for name in names {
            assert_eq!(name.parse::<PolicySpec>().unwrap().to_string(), name);
        }
        assert_eq!("fixed:64MiB".parse(), Ok(PolicySpec::Fixed(Bytes::mib(64))));
        assert_eq!("share:4%".parse(), Ok(PolicySpec::Share(0.04)));
        assert_eq!("sqrt:0.3core/GiB".parse(), Ok(PolicySpec::SquareRoot(0.3)));
        let mistakes = [
            "",
            "percent:",
            "percent:-1",
            "percent:1.5",
            "fixed",
            "fixed:0",
            "fixed:-1MiB",
            "fixed:NaN",
            "fixed:inf",
            "sqrt:0",
            "sqrt:nan",
            "share:0",
            "share:2",
            "none:1",
            "magic",
        ];
        for mistake in mistakes {
            assert!(mistake.parse::<PolicySpec>().is_err(), "{mistake}");
        }
    }
}
