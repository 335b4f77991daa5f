//! The simulated side: the same program, on a machine with the numbers of the real run.

use mudlark_sim::{
    engine::Simulation,
    metrics::{CycleRow, Summary},
    scenario::Scenario,
    stream::Stream,
};

use super::{real::RealRun, trace::Trace};

/// What came of the simulation.
#[derive(Debug)]
pub(super) struct TwinRun {
    pub(super) rows: Vec<CycleRow>,
    pub(super) summary: Summary,
    /// What the heap has from the system at the end: blocks and side tables.
    pub(super) committed: f64,
    /// Bytes that a core marks per second.
    pub(super) mark_rate: f64,
}

/// Runs the trace in virtual time, as long as the real run took, and with the speed of marking that was measured there.
pub(super) fn run(trace: &Trace, real: &RealRun) -> TwinRun {
    let mut scenario = trace.scenario.clone();
    let mark_rate = real.mark_rate().unwrap_or_else(|| scenario.program.scan_rate.at(0.0));
    adapt(&mut scenario, mark_rate, real.seconds);
    let tables = scenario.machine.tables;
    let mut rows = Vec::new();
    let mut simulation = Simulation::new(scenario);
    let summary = simulation.run(|row, _| rows.push(*row));
    let committed = simulation.blocks_and_alive().0 * (1.0 + tables);
    TwinRun { rows, summary, committed, mark_rate }
}

fn adapt(scenario: &mut Scenario, mark_rate: f64, seconds: f64) {
    let program = &mut scenario.program;
    program.scan_rate = Stream::constant(mark_rate);
    // The heap counts all that it marks as work, pointer-free objects too; the rate is of all of it.
    program.scannable = Stream::constant(1.0);
    // A mutator has no stack to scan, and the few roots are nothing beside the heap.
    program.stacks = Stream::constant(0.0);
    program.globals = 0.0;
    scenario.machine.has_survival = true;
    // The heap's threads do not go beyond their share on idle cores.
    scenario.knobs.idle_workers = 0;
    scenario.seconds = seconds;
    scenario.cycles = u64::MAX;
}
