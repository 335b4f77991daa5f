//! Measures the simulator: `cargo run --release -p mudlark-sim --example speed`.

use mudlark_sim::{
    engine::Simulation,
    reference::{CycleInput, ReferenceInput, run},
    scenarios,
};
use std::time::Instant;

const CYCLES: u64 = 1_000_000;

fn main() {
    for name in ["steady", "jitter", "live-ramp"] {
        let mut scenario = scenarios::named(name, 1).expect("a scenario");
        (scenario.cycles, scenario.seconds) = (CYCLES, f64::INFINITY);
        let begun = Instant::now();
        let summary = Simulation::new(scenario).run(|_, _| {});
        report(name, summary.cycles, begun);
    }
    let given = CycleInput {
        alloc_rate: 33.0,
        scan_rate: 1024.0,
        growth_rate: 1.0,
        scannable_fraction: 1.0,
        stack_bytes: 8192,
    };
    let mut series = vec![given; CYCLES as usize / 10];
    series.iter_mut().take(12).for_each(|given| given.growth_rate = 1.5);
    let input =
        ReferenceInput { percent: 100.into(), limit: Default::default(), globals: 32_768, cores: 8, series };
    let begun = Instant::now();
    let cycles = run(&input).expect("cycles that end").len();
    report("reference", cycles as u64, begun);
}

fn report(name: &str, cycles: u64, begun: Instant) {
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{name:10} {cycles:8} cycles in {seconds:6.3} s: {:5.2} million per second",
        cycles as f64 / seconds / 1e6
    );
}
