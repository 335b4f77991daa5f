//! Marking: from gray to black.
//!
//! The shared [`queue`](MarkQueue) hands out work; a [`Marker`] takes some, traces what it reaches from there with a
//! stack of its own, and comes back for more. Background threads, assisting mutators and `collect` all mark the
//! same way.

pub(crate) mod ephemerons;
mod guards;
mod marker;
mod meter;
mod queue;

pub(crate) use ephemerons::{Entry, Ephemerons};
pub(crate) use guards::Guards;
pub use marker::Marker;
pub(crate) use marker::{Drained, prefetch};
pub(crate) use meter::MarkMeter;
pub use meter::MarkStats;
pub(crate) use queue::{Gray, MarkQueue, Span, WeakGate, Work};
