//! Oracles for fuzzing mudlark: what a fuzz target feeds, and what a plain test replays.

#![forbid(unsafe_code)]

pub mod ops;
