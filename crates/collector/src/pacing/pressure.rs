//! Pressure: how hard memory presses, as one number and as a level.
//!
//! The number is the *effective GC percent*, (goal − live)/live · 100: what a program would have to set to get the same
//! goal without limits. Under a memory limit it falls long before the program is in trouble, which makes it the thing to
//! watch. Levels are for callbacks: they rise at once, and fall only when three cycles in a row call for less.

use super::units::Bytes;
use std::fmt;

/// Below this effective percent, pressure is high.
const HIGH_PERCENT: f64 = 25.0;
/// Cycles that must agree before a level falls.
const CALM_CYCLES: u32 = 3;

/// How hard memory presses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub enum PressureLevel {
    /// The policy has its way.
    #[default]
    None,
    /// A limit made the goal smaller.
    Limited,
    /// A limit leaves less than 25 percent of what is live: collections are frequent.
    High,
    /// A limit leaves nothing, or the CPU limiter is on: the limit cannot be held, or costs half of the CPU.
    Critical,
}

impl fmt::Display for PressureLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PressureLevel::None => "none",
            PressureLevel::Limited => "limited",
            PressureLevel::High => "high",
            PressureLevel::Critical => "critical",
        })
    }
}

/// (goal − live)/live · 100; unbounded goals and empty heaps have an infinite percent.
pub fn effective_gc_percent(live: Bytes, goal: Bytes) -> f64 {
    if goal == Bytes::MAX || live == Bytes::ZERO {
        return f64::INFINITY;
    }
    (goal - live).as_f64() / live.as_f64() * 100.0
}

/// A change of level, for the callback.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PressureChange {
    /// The level before.
    pub from: PressureLevel,
    /// The level now.
    pub to: PressureLevel,
}

/// The level with its memory of calmer cycles.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Pressure {
    level: PressureLevel,
    /// The highest level that the last few calmer cycles called for, and how many they are.
    calmer: (PressureLevel, u32),
}

impl Pressure {
    /// The level.
    pub fn level(&self) -> PressureLevel {
        self.level
    }

    /// The level that a plan calls for.
    pub fn called_for(live: Bytes, goal: Bytes, is_limited: bool, is_limiting: bool) -> PressureLevel {
        if is_limiting || is_limited && goal <= live {
            PressureLevel::Critical
        } else if !is_limited {
            PressureLevel::None
        } else if effective_gc_percent(live, goal) < HIGH_PERCENT {
            PressureLevel::High
        } else {
            PressureLevel::Limited
        }
    }

    /// Takes a plan into account.
    pub fn update(&mut self, called_for: PressureLevel) -> Option<PressureChange> {
        let from = self.level;
        if called_for >= self.level {
            self.level = called_for;
            self.calmer = (PressureLevel::None, 0);
        } else {
            let (highest, cycles) = self.calmer;
            self.calmer = (highest.max(called_for), cycles + 1);
            if self.calmer.1 >= CALM_CYCLES {
                self.level = self.calmer.0;
                self.calmer = (PressureLevel::None, 0);
            }
        }
        (self.level != from).then_some(PressureChange { from, to: self.level })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use PressureLevel::*;

    /// Goal: callbacks do not flutter. Method: levels called for, and the levels that follow.
    #[test]
    fn levels_rise_at_once_and_fall_slowly() {
        let mut pressure = Pressure::default();
        let steps = [
            (Limited, Limited),
            (Critical, Critical),
            (None, Critical),
            (Limited, Critical),
            (None, Limited),
            (None, Limited),
            (Limited, Limited),
            (None, Limited),
            (None, Limited),
            (None, None),
        ];
        for (at, (called_for, level)) in steps.into_iter().enumerate() {
            let before = pressure.level();
            let change = pressure.update(called_for);
            assert_eq!(pressure.level(), level, "step {at}");
            assert_eq!(change.is_some(), before != level, "step {at}");
        }
    }

    #[test]
    fn the_gauge_is_the_percent_that_would_do() {
        assert_eq!(effective_gc_percent(Bytes(100), Bytes(150)), 50.0);
        assert_eq!(effective_gc_percent(Bytes(100), Bytes(90)), 0.0);
        assert_eq!(effective_gc_percent(Bytes(100), Bytes::MAX), f64::INFINITY);
        assert_eq!(Pressure::called_for(Bytes(100), Bytes(100), true, false), Critical);
        assert_eq!(Pressure::called_for(Bytes(100), Bytes(110), true, false), High);
        assert_eq!(Pressure::called_for(Bytes(100), Bytes(110), false, false), None);
    }
}
