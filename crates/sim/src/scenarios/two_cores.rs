//! Scenarios for a machine with two cores: `mudlark replay` runs them on the real heap, where a second costs a second.
//!
//! So they are short, and their rates are such that one core can allocate and mark in time.

use super::{MB, Make, with};
use crate::{scenario::Scenario, stream::Stream};
use mudlark_collector::pacing::{Bytes, MemoryLimit};

pub(super) const ALL: [(&str, &str, Make); 9] = [
    ("steady-2", "two cores: 100 MB live, 240 MB/s on each", |_| base()),
    ("step-2", "two cores: allocation grows threefold", step),
    ("oscillate-2", "two cores: allocation as a sine", oscillate),
    ("jitter-2", "two cores: allocation and live data off by up to 10 %", jitter),
    ("live-jump-2", "two cores: from 10 to 300 MB live at once", live_jump),
    ("limit-125-2", "two cores: live data grows to 80 % of the limit", |_| limited(1.25)),
    ("limit-100-2", "two cores: live data grows to the limit", |_| limited(1.0)),
    ("limit-80-2", "two cores: live data grows to 125 % of the limit", |_| limited(0.8)),
    ("idle-2", "two cores: busy for 2 s, then silent", idle),
];

/// What the others change.
fn base() -> Scenario {
    with(|scenario| {
        scenario.program.live = Stream::constant(100.0 * MB);
        scenario.program.alloc_rate = Stream::constant(240.0 * MB);
        scenario.program.threads = Stream::constant(2.0);
        scenario.program.scan_rate = Stream::constant(2.0 * super::GIB);
        scenario.knobs.cores = 2;
        scenario.seconds = 5.0;
        scenario.cycles = 10_000;
    })
}

fn two(change: impl FnOnce(&mut Scenario)) -> Scenario {
    let mut scenario = base();
    change(&mut scenario);
    scenario
}

fn step(_: u64) -> Scenario {
    two(|scenario| scenario.program.alloc_rate = Stream::step(120.0 * MB, 360.0 * MB, 4.0))
}

fn oscillate(_: u64) -> Scenario {
    two(|scenario| {
        scenario.program.alloc_rate = Stream::oscillate(80.0 * MB, 0.0, 2.0).offset(240.0 * MB);
    })
}

fn jitter(seed: u64) -> Scenario {
    two(|scenario| {
        scenario.program.alloc_rate = Stream::constant(240.0 * MB).jitter(0.1, 0.05, seed);
        scenario.program.live = Stream::constant(100.0 * MB).jitter(0.1 / 5.0, 0.05, seed + 1);
    })
}

fn live_jump(_: u64) -> Scenario {
    two(|scenario| {
        scenario.program.live = Stream::step(10.0 * MB, 300.0 * MB, 3.0);
        scenario.program.alloc_rate = Stream::constant(160.0 * MB);
        scenario.seconds = 4.0;
    })
}

/// A limit of so many times what is alive in the end.
fn limited(of_live: f64) -> Scenario {
    let live = 200.0 * MB;
    two(|scenario| {
        scenario.knobs.limit = MemoryLimit::Bytes(Bytes::from_f64(live * of_live));
        scenario.program.live = Stream::ramp(10.0 * MB, live, 2.0);
        scenario.program.alloc_rate = Stream::constant(160.0 * MB);
        scenario.seconds = 6.0;
    })
}

fn idle(_: u64) -> Scenario {
    two(|scenario| {
        scenario.program.live = Stream::step(150.0 * MB, 40.0 * MB, 3.0);
        scenario.program.threads = Stream::step(2.0, 0.0, 2.0);
        scenario.seconds = 11.0;
    })
}
