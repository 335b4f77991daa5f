//! The pacer as a whole, between the formulas of its parts and the scenarios of the simulator.

use super::*;
use crate::pacing::{RECORDS_MAX, ScanWork};

const MEMORY: Memory =
    Memory { mapped: Bytes(0), heap_in_use: Bytes(0), heap_free: Bytes(0), external: Bytes(0) };

/// A pacer after a cycle that left so much alive, and is swept.
fn pacer_with(live: Bytes, knobs: Knobs) -> Pacer {
    let mut pacer = Pacer::new(knobs);
    pacer.end(&report(live));
    pacer.swept();
    pacer
}

fn report(live: Bytes) -> CycleReport {
    let work = Work { heap: ScanWork(live.0), ..Work::default() };
    CycleReport { live, left: live, peak: live, work, ..CycleReport::default() }
}

fn begin_at(live: Bytes) -> CycleBegin {
    CycleBegin { live, most: ScanWork(live.0), ..CycleBegin::default() }
}

/// Goal: floors hold while they should. Method: a heap with little room, unswept, swept, and in a cycle.
#[test]
fn floors_hold_while_they_should() {
    let knobs = Knobs { percent: GcPercent::Percent(1), ..Knobs::default() };
    let live = Bytes::mib(10);
    let mut pacer = Pacer::new(knobs);
    let unswept = pacer.end(&report(live));
    assert_eq!(
        (unswept.goal, unswept.trigger, unswept.rule),
        (Bytes::mib(11), Bytes::mib(11), Rule::Sweeping)
    );
    pacer.swept();
    let swept = pacer.plan(&MEMORY);
    assert_eq!((swept.goal, swept.rule), (live + live.scaled(1, 100), Rule::Policy));
    pacer.begin(&begin_at(Bytes::mib(12)));
    let running = pacer.plan(&MEMORY);
    assert_eq!((running.goal, running.rule), (Bytes::mib(12) + Bytes::kib(64), Rule::Running));
}

/// Goal: what born objects leave behind counts for the floor, not for the goal. Method: a discounted report.
#[test]
fn a_discount_moves_the_goal_and_not_the_floor() {
    let mut pacer = Pacer::default();
    let plan = pacer.end(&CycleReport { left: Bytes::mib(250), ..report(Bytes::mib(100)) });
    assert_eq!((plan.goal, plan.rule), (Bytes::mib(251), Rule::Sweeping));
    pacer.swept();
    assert_eq!(pacer.plan(&MEMORY).goal, Bytes::mib(200));
}

/// Goal: what background marking had is in the record, and rules nothing. Method: the same cycle, measured and not.
#[test]
fn a_record_tells_what_background_marking_had() {
    let cycle = |background_cpu| {
        let mut pacer = Pacer::new(Knobs { cores: 2, ..Knobs::default() });
        pacer.begin(&begin_at(Bytes::mib(10)));
        let duration = Nanos::millis(100);
        let plan = pacer.end(&CycleReport { duration, background_cpu, ..report(Bytes::mib(10)) });
        (plan, pacer.explain(1))
    };
    let (measured, text) = cycle(CpuNanos(46_000_000));
    assert!(text.contains(", no assists, background 23.0 %; "), "{text}");
    let (unmeasured, text) = cycle(CpuNanos::ZERO);
    assert!(!text.contains("background"), "{text}");
    assert_eq!(measured, unmeasured);
}

/// Goal: knobs act at once, also on a running cycle, and limits win. Method: the goal after each change.
#[test]
fn knobs_act_on_a_running_cycle() {
    let mut pacer = pacer_with(Bytes::mib(100), Knobs::default());
    pacer.begin(&begin_at(Bytes::mib(190)));
    let progress =
        Progress { live: Bytes::mib(191), done: Work::default(), most: ScanWork(190 << 20), memory: MEMORY };
    let before = pacer.revise(&progress).ratio;
    assert_eq!(pacer.set_gc_percent(GcPercent::Percent(300), &MEMORY), GcPercent::Percent(100));
    assert_eq!(pacer.goal(&MEMORY), Bytes::mib(400));
    assert!(pacer.revise(&progress).ratio < before / 10.0);
    let limit = MemoryLimit::Bytes(Bytes::mib(256));
    assert_eq!(pacer.set_memory_limit(limit, &MEMORY), MemoryLimit::Off);
    let plan = pacer.plan(&MEMORY);
    assert_eq!(plan.rule, Rule::MemoryLimit);
    assert!(plan.goal < Bytes::mib(249), "3 % of headroom");
    let tables = Memory { mapped: Bytes::mib(20), ..MEMORY };
    assert!(pacer.goal(&tables) < plan.goal - Bytes::mib(19), "what is no heap goes off");
    let hard = pacer_with(Bytes::mib(100), Knobs { max_heap: Bytes::mib(160), ..Knobs::default() });
    assert_eq!(hard.goal(&MEMORY), Bytes::mib(150));
}

/// Goal: a cycle that was given up teaches nothing, and leaves room. Method: one between two.
#[test]
fn a_cycle_can_be_given_up() {
    let mut pacer = pacer_with(Bytes::mib(100), Knobs::default());
    let expected = pacer.expected();
    pacer.begin(&begin_at(Bytes::mib(190)));
    let plan = pacer.abandon(Nanos(7), Bytes::mib(195), &MEMORY);
    assert_eq!((plan.goal, pacer.cycle()), (Bytes::mib(390), 3));
    assert_eq!(pacer.expected(), expected);
    assert!(pacer.explain(2).contains("given up"));
}

/// Goal: the limiter, the gauge and the pressure tell of a limit that cannot be held. Method: live data beyond it.
#[test]
fn a_limit_that_cannot_be_held_is_told() {
    let limit = MemoryLimit::Bytes(Bytes::mib(64));
    let mut pacer = pacer_with(Bytes::mib(100), Knobs { limit, cores: 2, ..Knobs::default() });
    let change = pacer.update_pressure(&MEMORY).expect("a change");
    assert_eq!((change.from, change.to), (PressureLevel::None, PressureLevel::Critical));
    assert_eq!(pacer.gauges(&MEMORY).effective_gc_percent, 0.0);
    let busy = Window { gc: CpuNanos(1_000_000_000), mutator: CpuNanos::ZERO };
    assert!(pacer.tick(Nanos(1), &busy) && pacer.is_limiting());
    assert_eq!(pacer.gauges(&MEMORY).limiter_fill, 1.0);
    assert!(pacer.explain(2).contains("limiter on"));
    pacer.set_memory_limit(MemoryLimit::Off, &MEMORY);
    assert_eq!(pacer.gauges(&MEMORY).effective_gc_percent, 100.0);
}

/// Goal: records never grow beyond their ring, and the newest stay, in order. Method: many cycles.
#[test]
fn records_stay_in_their_ring() {
    let mut pacer = Pacer::default();
    for _ in 0..1000 {
        pacer.begin(&begin_at(Bytes::mib(8)));
        pacer.end(&report(Bytes::mib(4)));
    }
    let cycles: Vec<u64> = pacer.records().map(|record| record.cycle).collect();
    assert_eq!((cycles.len(), cycles.last()), (RECORDS_MAX, Some(&1001)));
    assert!(cycles.is_sorted() && pacer.explain(1000).lines().count() == 3, "{}", pacer.explain(1000));
}

/// Goal: a periodic cycle is in no hurry, and the cap on idle workers holds. Method: the workers of each cause.
#[test]
fn workers_follow_the_cause() {
    let knobs = Knobs { cores: 8, idle_workers: 3, ..Knobs::default() };
    let mut pacer = pacer_with(Bytes::mib(100), knobs);
    let idle_max = |pacer: &mut Pacer, cause| {
        pacer.begin(&CycleBegin { cause, ..begin_at(Bytes::mib(150)) }).workers.idle_max
    };
    assert_eq!(idle_max(&mut pacer, Cause::Trigger), 3);
    assert_eq!(idle_max(&mut pacer, Cause::Period), 0);
}
