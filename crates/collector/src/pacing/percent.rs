//! The GC percent: how much garbage to accept.

use std::{fmt, str::FromStr};

/// How much garbage to accept, in percent of what is live.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GcPercent {
    /// The heap may grow by this many percent of what the last cycle found live before the next cycle is complete.
    Percent(u32),
    /// No cycle begins by itself; only `collect` and the maximum heap begin one.
    Off,
}

impl Default for GcPercent {
    fn default() -> GcPercent {
        GcPercent::Percent(100)
    }
}

impl From<u32> for GcPercent {
    fn from(percent: u32) -> GcPercent {
        GcPercent::Percent(percent)
    }
}

impl fmt::Display for GcPercent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GcPercent::Percent(percent) => write!(f, "{percent}"),
            GcPercent::Off => f.write_str("off"),
        }
    }
}

/// A GC percent that is neither a whole number nor `off`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ParseGcPercentError {
    text: String,
}

impl fmt::Display for ParseGcPercentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not a GC percent; give a whole number such as 100, or `off`", self.text)
    }
}

impl std::error::Error for ParseGcPercentError {}

impl FromStr for GcPercent {
    type Err = ParseGcPercentError;

    fn from_str(text: &str) -> Result<GcPercent, ParseGcPercentError> {
        if text == "off" {
            return Ok(GcPercent::Off);
        }
        text.parse().map(GcPercent::Percent).map_err(|_| ParseGcPercentError { text: text.to_owned() })
    }
}
