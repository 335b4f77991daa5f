//! Ramp-up: a program that only builds its data at first has no garbage to find.
//!
//! While a ramp-up is on, goals are not below its bound, so no cycle begins but for limits and requests. It ends when the
//! heap reaches the bound (a cycle begins a runway before it), or when the program says so. What was allocated beyond the
//! normal goal is *repaid* by one cycle: it begins at once, and has room for a quarter of the heap to be complete, so that
//! assists are spread over that much allocation. After it, plans are as always.

use super::units::Bytes;

/// The room of the repaying cycle is this part of the heap.
const REPAY_PART: u64 = 4;
/// And at least this.
const REPAY_MIN: Bytes = Bytes::mib(1);

/// How far a heap may grow during ramp-up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RampBound {
    /// To so many bytes.
    Bytes(Bytes),
    /// To so many times what it holds when ramp-up begins: 2 doubles it.
    Times(u32),
    /// As far as limits allow.
    Limits,
}

/// Where ramp-up is.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum RampUp {
    /// No ramp-up.
    #[default]
    Off,
    /// Goals are not below this.
    On {
        /// The bound.
        until: Bytes,
    },
    /// A cycle begins at once, and its goal is not below this.
    Repay {
        /// Where it begins.
        from: Bytes,
        /// The floor.
        goal: Bytes,
    },
}

impl RampUp {
    /// A ramp-up of a heap with so many bytes.
    pub fn begin(bound: RampBound, live: Bytes) -> RampUp {
        let until = match bound {
            RampBound::Bytes(bytes) => bytes,
            RampBound::Times(times) => live.scaled(times.into(), 1),
            RampBound::Limits => Bytes::MAX,
        };
        RampUp::On { until }
    }

    /// The heap has so many bytes, where `goal` would be normal: repays, if that is too many.
    pub fn end(self, live: Bytes, goal: Bytes) -> RampUp {
        match self {
            RampUp::On { .. } if live > goal => {
                RampUp::Repay { from: live, goal: live + Bytes(live.0 / REPAY_PART).max(REPAY_MIN) }
            }
            RampUp::On { .. } => RampUp::Off,
            other => other,
        }
    }

    /// The least goal.
    pub fn floor(self) -> Bytes {
        match self {
            RampUp::Off => Bytes::ZERO,
            RampUp::On { until } => until,
            RampUp::Repay { goal, .. } => goal,
        }
    }

    /// The latest trigger, given the one that the goal would have.
    pub fn trigger(self, trigger: Bytes) -> Bytes {
        match self {
            RampUp::Repay { from, .. } => trigger.min(from),
            _ => trigger,
        }
    }

    /// Whether it is on.
    pub fn is_on(self) -> bool {
        matches!(self, RampUp::On { .. })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Goal: a ramp-up has its bound, and is repaid if it is beyond the normal goal. Method: by hand.
    #[test]
    fn a_ramp_up_is_repaid() {
        assert_eq!(RampUp::begin(RampBound::Bytes(Bytes(5)), Bytes(3)).floor(), Bytes(5));
        assert_eq!(RampUp::begin(RampBound::Times(2), Bytes(3)).floor(), Bytes(6));
        let on = RampUp::begin(RampBound::Limits, Bytes(3));
        assert_eq!((on.floor(), on.is_on()), (Bytes::MAX, true));
        assert_eq!(on.end(Bytes(7), Bytes(7)), RampUp::Off);
        let repay = on.end(Bytes::mib(100), Bytes::mib(7));
        assert_eq!(repay, RampUp::Repay { from: Bytes::mib(100), goal: Bytes::mib(125) });
        assert_eq!(repay.trigger(Bytes::mib(121)), Bytes::mib(100));
        assert_eq!((repay.end(Bytes::mib(1), Bytes::mib(1)), repay.is_on()), (repay, false));
    }
}
