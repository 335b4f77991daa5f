//! The scenarios that have names.

use crate::{
    scenario::{BigObjects, Machine, Program, RampUpAtStart, Scenario},
    stream::Stream,
};
use mudlark_collector::pacing::{Bytes, GcPercent, Knobs, MemoryLimit, RampBound};

mod two_cores;

/// A MB and a GiB, in bytes.
const MB: f64 = 1e6;
const GIB: f64 = (1_u64 << 30) as f64;

/// Makes one scenario with a seed.
type Make = fn(u64) -> Scenario;

/// Name, line, maker; those for two cores are [`two_cores::ALL`].
const ALL: [(&str, &str, Make); 27] = [
    ("steady", "20 MB live, 33 MB/s on each of 8 cores", |_| base()),
    ("big-stacks", "steady, with 128 MB of stacks", big_stacks),
    ("big-globals", "steady, with 128 MB of globals", big_globals),
    ("step-alloc", "allocation grows threefold", |_| step_alloc(3.0)),
    ("heavy-step-alloc", "allocation grows twentyfold", |_| step_alloc(20.0)),
    ("step-scannable", "the scannable share grows from 0.2 to 0.7", step_scannable),
    ("high-percent", "a GC percent of 1500", high_percent),
    ("oscillate", "allocation as a sine", oscillate),
    ("alias", "allocation alternates near the period of the cycles", alias),
    ("jitter", "allocation and live data off by up to 10 %", |seed| jitter(seed, 0.1)),
    ("heavy-jitter", "allocation and live data off by up to 50 %", |seed| jitter(seed, 0.5)),
    ("small-slow", "0.5 MB live, 1 MB/s", |_| slow(0.5 * MB)),
    ("large-slow", "3.4 GB live, 1 MB/s", |_| slow(3400.0 * MB)),
    ("tiny", "100 KB live, 1 GB/s", tiny),
    ("live-ramp", "from 8 to 512 MB live in 30 s", live_ramp),
    ("live-jump", "from 10 to 300 MB live at once", live_jump),
    ("phases", "400 MB live and quiet, 20 MB live and hot, in turn", phases),
    ("bursts", "half a GB/s for a tenth of each second", bursts),
    ("idle", "busy for 5 s, then silent", idle),
    ("idle-cores", "a program that uses 5 % of 8 cores", idle_cores),
    ("limit", "200 MB live below a limit of 512 MiB, GC percent off", |_| limited(200.0 * MB)),
    ("limit-near", "live data grows to 95 % of the limit", |_| limited(0.95 * 512.0 * 1.048_576 * MB)),
    ("limit-exceeded", "live data grows to 125 % of the limit", |_| limited(1.25 * 512.0 * 1.048_576 * MB)),
    ("external-burst", "buffers of ten times the heap, once", external_burst),
    ("ramp-up", "a GB is built without garbage, in a ramp-up", ramp_up),
    ("big-objects", "objects of four times the goal", big_objects),
    ("late-end", "everybody knows of the end of marking 3 ms late", late_end),
];

fn all() -> impl Iterator<Item = &'static (&'static str, &'static str, Make)> {
    ALL.iter().chain(&two_cores::ALL)
}

/// The names and what they are about.
pub fn names() -> impl Iterator<Item = (&'static str, &'static str)> {
    all().map(|&(name, summary, _)| (name, summary))
}

/// The scenario of a name. The seed changes those that are random.
pub fn named(name: &str, seed: u64) -> Option<Scenario> {
    let &(name, summary, make) = all().find(|(known, ..)| *known == name)?;
    Some(Scenario { name, summary, ..make(seed) })
}

/// What the others change.
fn base() -> Scenario {
    let program = Program {
        alloc_rate: Stream::constant(33.0 * MB),
        live: Stream::constant(20.0 * MB),
        scannable: Stream::constant(1.0),
        stacks: Stream::constant(8192.0),
        globals: 32_768.0,
        scan_rate: Stream::constant(GIB),
        threads: Stream::constant(8.0),
        external_rate: Stream::constant(0.0),
        big_objects: None,
    };
    Scenario {
        name: "",
        summary: "",
        program,
        machine: Machine::default(),
        knobs: Knobs { cores: 8, ..Knobs::default() },
        ramp_up: None,
        cycles: 50,
        seconds: 1000.0,
    }
}

fn with(change: impl FnOnce(&mut Scenario)) -> Scenario {
    let mut scenario = base();
    change(&mut scenario);
    scenario
}

fn big_stacks(_: u64) -> Scenario {
    with(|scenario| {
        scenario.program.stacks = Stream::ramp(2048.0, 134.0 * MB, 2.0);
        scenario.program.alloc_rate = Stream::constant(132.0 * MB);
    })
}

fn big_globals(_: u64) -> Scenario {
    with(|scenario| {
        scenario.program.globals = 134.0 * MB;
        scenario.program.alloc_rate = Stream::constant(132.0 * MB);
    })
}

fn step_alloc(factor: f64) -> Scenario {
    with(|scenario| scenario.program.alloc_rate = Stream::step(33.0 * MB, 33.0 * MB * factor, 15.0))
}

fn step_scannable(_: u64) -> Scenario {
    with(|scenario| {
        scenario.program.alloc_rate = Stream::constant(128.0 * MB);
        scenario.program.scannable = Stream::step(0.2, 0.7, 4.0);
    })
}

fn high_percent(seed: u64) -> Scenario {
    with(|scenario| {
        scenario.program.alloc_rate = Stream::constant(165.0 * MB).jitter(0.05, 0.1, seed);
        scenario.knobs.percent = GcPercent::Percent(1500);
    })
}

fn oscillate(_: u64) -> Scenario {
    with(|scenario| {
        scenario.program.alloc_rate = Stream::oscillate(13.0 * MB, 0.0, 6.0).offset(67.0 * MB);
    })
}

fn alias(_: u64) -> Scenario {
    with(|scenario| {
        // A cycle takes some 0.6 s of CPU time; the square wave goes almost in step with it.
        scenario.program.alloc_rate = Stream::burst(16.0 * MB, 160.0 * MB, 0.61, 0.5);
        scenario.cycles = 200;
    })
}

fn jitter(seed: u64, relative: f64) -> Scenario {
    with(|scenario| {
        scenario.program.alloc_rate = Stream::constant(132.0 * MB).jitter(relative, 0.05, seed);
        scenario.program.live = Stream::constant(20.0 * MB).jitter(relative / 5.0, 0.05, seed + 1);
    })
}

fn slow(live: f64) -> Scenario {
    with(|scenario| {
        scenario.program.alloc_rate = Stream::constant(1.0 * MB);
        scenario.program.live = Stream::constant(live);
        scenario.program.scannable = Stream::constant(0.01);
        scenario.program.scan_rate = Stream::constant(2.0 * GIB);
        scenario.seconds = 1e6;
    })
}

fn tiny(_: u64) -> Scenario {
    with(|scenario| {
        scenario.program.live = Stream::constant(100_000.0);
        scenario.program.alloc_rate = Stream::constant(1000.0 * MB);
        scenario.program.threads = Stream::constant(1.0);
        scenario.cycles = 2000;
    })
}

fn live_ramp(_: u64) -> Scenario {
    with(|scenario| {
        scenario.program.live = Stream::ramp(8.0 * MB, 512.0 * MB, 240.0);
        scenario.seconds = 40.0;
        scenario.cycles = 500;
    })
}

fn live_jump(_: u64) -> Scenario {
    with(|scenario| {
        scenario.program.live = Stream::step(10.0 * MB, 300.0 * MB, 16.0);
        scenario.program.alloc_rate = Stream::constant(50.0 * MB);
        scenario.cycles = 1000;
        scenario.seconds = 6.0;
    })
}

fn phases(_: u64) -> Scenario {
    with(|scenario| {
        scenario.program.live = Stream::phase(&[400.0 * MB, 20.0 * MB], 40.0);
        scenario.program.alloc_rate = Stream::phase(&[15.0 * MB, 100.0 * MB], 40.0);
        scenario.seconds = 60.0;
        scenario.cycles = 2000;
    })
}

fn bursts(_: u64) -> Scenario {
    with(|scenario| {
        scenario.program.live = Stream::constant(64.0 * MB);
        scenario.program.alloc_rate = Stream::constant(64.0 * MB);
        scenario.program.threads = Stream::burst(0.1, 8.0, 1.0, 0.1);
    })
}

fn idle(_: u64) -> Scenario {
    with(|scenario| {
        scenario.program.live = Stream::step(100.0 * MB, 20.0 * MB, 38.5);
        scenario.program.threads = Stream::step(8.0, 0.0, 5.0);
        scenario.seconds = 60.0;
        scenario.cycles = 500;
    })
}

fn idle_cores(_: u64) -> Scenario {
    with(|scenario| {
        scenario.program.live = Stream::constant(200.0 * MB);
        scenario.program.threads = Stream::constant(0.4);
        scenario.cycles = 20;
    })
}

fn limited(live: f64) -> Scenario {
    with(|scenario| {
        scenario.knobs.limit = MemoryLimit::Bytes(Bytes::mib(512));
        scenario.knobs.percent = GcPercent::Off;
        scenario.program.live = Stream::ramp(10.0 * MB, live, 40.0);
        scenario.program.alloc_rate = Stream::constant(132.0 * MB);
        scenario.seconds = 20.0;
        scenario.cycles = 5000;
    })
}

fn external_burst(_: u64) -> Scenario {
    with(|scenario| {
        scenario.program.external_rate = Stream::jump(0.0, 4000.0 * MB, 10.0, 0.1);
    })
}

fn ramp_up(_: u64) -> Scenario {
    with(|scenario| {
        scenario.program.live = Stream::ramp(0.0, 1000.0 * MB, 10.0);
        scenario.program.alloc_rate = Stream::step(100.0 * MB, 50.0 * MB, 10.0);
        scenario.ramp_up = Some(RampUpAtStart { bound: RampBound::Limits, until: 10.0 });
        scenario.cycles = 20;
    })
}

fn big_objects(_: u64) -> Scenario {
    with(|scenario| scenario.program.big_objects = Some(BigObjects { bytes: 160.0 * MB, every: 3.0 }))
}

fn late_end(_: u64) -> Scenario {
    with(|scenario| scenario.machine.end_delay = 0.003)
}
