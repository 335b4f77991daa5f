//! Promises of the engine itself: it is where formulas say, and its parts do something.

use mudlark_collector::pacing::{Bytes, FixedHeap, GcPercent, NeverIdle, NoGc, Parts, RampBound};
use mudlark_sim::{
    engine::Simulation,
    scenario::{RampUpAtStart, Scenario},
    scenarios,
    stream::Stream,
};

fn scenario(name: &str) -> Scenario {
    scenarios::named(name, 1).expect("a scenario")
}

/// Goal: the steady state is the closed form. Method: what is born while two of eight cores scan what is live, on paper.
#[test]
fn the_steady_state_is_the_closed_form() {
    let mut last = None;
    Simulation::new(scenario("steady")).run(|row, _| last = Some(*row));
    let last = last.expect("cycles");
    let (live, roots) = (20e6, 8192.0 + 32_768.0);
    let seconds = (live + roots) / (1_073_741_824.0 * 2.0);
    let kept = live + 33e6 * 6.0 * seconds;
    let goal = kept + kept + roots;
    assert!((last.mark_seconds / seconds - 1.0).abs() < 1e-6, "{last:?}");
    assert!((last.live.as_f64() / kept - 1.0).abs() < 1e-6, "{last:?}");
    assert!(
        (last.goal.as_f64() / goal - 1.0).abs() < 1e-6 && (last.goal_ratio() - 1.0).abs() < 1e-6,
        "{last:?}"
    );
    assert!(last.assist_share < 1e-6, "{last:?}");
}

/// Goal: a discount for what is born during a cycle saves memory where that is garbage. Method: with and without.
#[test]
fn survival_saves_memory() {
    let mean = |has_survival| {
        let mut scenario = scenario("steady");
        scenario.program.alloc_rate = Stream::constant(132e6);
        scenario.machine.has_survival = has_survival;
        let summary = Simulation::new(scenario).run(|_, _| {});
        assert!((summary.goal_ratio_mean - 1.0).abs() < 0.02, "{summary:?}");
        summary.heap_mean
    };
    assert!(mean(true) < mean(false) * 0.9);
}

/// Goal: the scavenger gives back what a smaller heap does not need, without the idle automaton. Method: a live set that
/// shrinks in a program that goes on.
#[test]
fn the_scavenger_follows_the_goal() {
    let mut scenario = scenario("steady");
    scenario.program.live = Stream::step(200e6, 20e6, 40.0);
    (scenario.cycles, scenario.seconds) = (2000, 30.0);
    let parts = Parts::on(8).with_idle(NeverIdle);
    let mut goal = Bytes::ZERO;
    let summary = Simulation::with_parts(scenario, parts).run(|row, _| goal = row.goal);
    assert!(summary.blocks_peak > 400e6, "{summary:?}");
    assert!(summary.blocks_end <= goal.as_f64() * 1.11, "{} held for a goal of {goal}", summary.blocks_end);
}

/// Goal: a fixed heap has its size, and no collection is none.
#[test]
fn a_fixed_heap_is_fixed() {
    let fixed = Parts::on(8).with_goal(FixedHeap { size: Bytes::mib(64) });
    let summary = Simulation::with_parts(scenario("steady"), fixed).run(|_, _| {});
    assert!((summary.heap_peak / Bytes::mib(64).as_f64() - 1.0).abs() < 0.01);
    let mut never = scenario("steady");
    never.knobs.percent = GcPercent::Off;
    never.seconds = 20.0;
    let summary = Simulation::with_parts(never, Parts::on(8).with_goal(NoGc)).run(|_, _| {});
    assert_eq!(summary.cycles, 0);
    assert!((summary.heap_peak / (33e6 * 8.0 * 20.0) - 1.0).abs() < 1e-3, "{summary:?}");
}

/// Goal: a bounded ramp-up ends by itself. Method: a bound on the way.
#[test]
fn a_ramp_up_ends_at_its_bound() {
    let mut scenario = scenario("ramp-up");
    scenario.ramp_up = Some(RampUpAtStart { bound: RampBound::Bytes(Bytes(300_000_000)), until: 10.0 });
    let mut first = None;
    Simulation::new(scenario).run(|row, _| first = first.or(Some(*row)));
    let first = first.expect("cycles");
    assert_eq!(first.goal, Bytes(300_000_000));
    // It knows nothing of the work yet, so it may go on to the hard goal.
    assert!(first.trigger > Bytes(280_000_000) && first.peak < Bytes(600_000_000), "{first:?}");
}
