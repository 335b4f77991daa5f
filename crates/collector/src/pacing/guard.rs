//! The guard: no plan is followed that makes no sense, whoever made it.
//!
//! Policies may be written by anybody. An answer must be finite; a goal must leave [`RUNWAY_MIN`] above what is live; a
//! trigger must not lie beyond its goal; a ratio must not be negative. What is rejected leaves the last good answer in
//! force, and an event that says why. So does a policy that panics: it is asked in the middle of allocations and cycles, which
//! have no place for that.

use super::{answer::Target, goal::RUNWAY_MIN, units::Bytes};
use crate::sweeper::contain;
use std::fmt;

/// Sizes beyond this are errors, not wishes.
pub(super) const SIZE_MAX: Bytes = Bytes(1 << 62);
/// Nobody owes more than this for a byte.
const RATIO_MAX: f64 = SIZE_MAX.as_f64();

/// Why an answer was rejected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rejection {
    /// The goal is NaN, infinite, negative or beyond all memory.
    GoalNotFinite,
    /// The goal leaves less than the least runway.
    GoalBelowLive,
    /// The trigger is NaN, infinite or negative.
    TriggerNotFinite,
    /// The trigger lies beyond the goal.
    TriggerAboveGoal,
    /// The assist ratio is NaN, infinite or negative.
    RatioNotFinite,
    /// The policy panicked.
    Panicked,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rejection::GoalNotFinite => "the goal is not a size",
            Rejection::GoalBelowLive => "the goal leaves less than 64 KiB above what is live",
            Rejection::TriggerNotFinite => "the trigger is not a size",
            Rejection::TriggerAboveGoal => "the trigger lies beyond the goal",
            Rejection::RatioNotFinite => "the assist ratio is not a finite number of at least zero",
            Rejection::Panicked => "the policy panicked",
        })
    }
}

/// Asks a policy, which may panic.
#[inline]
pub(super) fn ask<R>(policy: impl FnOnce() -> R) -> Result<R, Rejection> {
    let mut answer = None;
    contain(|| answer = Some(policy()));
    answer.ok_or(Rejection::Panicked)
}

/// A size that is one.
fn size(number: f64) -> Option<Bytes> {
    (0.0..=SIZE_MAX.as_f64()).contains(&number).then(|| Bytes::from_f64(number))
}

/// Checks a goal over what is live.
pub(super) fn goal(target: Target, live: Bytes) -> Result<Bytes, Rejection> {
    let Target::Bytes(number) = target else { return Ok(Bytes::MAX) };
    let goal = size(number).ok_or(Rejection::GoalNotFinite)?;
    if goal < live + RUNWAY_MIN { Err(Rejection::GoalBelowLive) } else { Ok(goal) }
}

/// Checks a trigger below a goal.
pub(super) fn trigger(target: Target, goal: Bytes) -> Result<Bytes, Rejection> {
    let trigger = match target {
        Target::Unbounded => Bytes::MAX,
        // What has no goal has no trigger either.
        Target::Bytes(_) if goal == Bytes::MAX => Bytes::MAX,
        Target::Bytes(number) => size(number).ok_or(Rejection::TriggerNotFinite)?,
    };
    if trigger > goal { Err(Rejection::TriggerAboveGoal) } else { Ok(trigger) }
}

/// Checks an assist ratio.
pub(super) fn ratio(ratio: f64) -> Result<f64, Rejection> {
    (0.0..=RATIO_MAX).contains(&ratio).then_some(ratio).ok_or(Rejection::RatioNotFinite)
}
