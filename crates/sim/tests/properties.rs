//! Promises that hold for any input: plans are finite, limits win, knobs are monotone, units do not matter, cycles
//! converge, and every run is the same.

use mudlark_collector::pacing::{
    Bytes, CpuNanos, CycleBegin, CycleReport, FixedHeap, Formula, GcPercent, GoalAnswer, GoalInputs,
    GoalPolicy, Knobs, Measured, Memory, MemoryLimit, Nanos, NeverIdle, Pacer, Parts, Progress, ScanWork,
    SquareRoot, Target, TargetShare, Work,
};
use mudlark_sim::{engine::Simulation, metrics::CycleRow, scenario::Scenario, scenarios, stream::Stream};
use proptest::prelude::*;

/// Any size: mostly usual ones, but also none and more than there can be.
fn sizes() -> impl Strategy<Value = u64> {
    prop_oneof![6 => 0_u64..1 << 40, 1 => Just(0), 1 => Just(u64::MAX), 1 => any::<u64>()]
}

fn reports() -> impl Strategy<Value = CycleReport> {
    let memory = (sizes(), sizes(), sizes(), sizes()).prop_map(|(mapped, in_use, free, external)| Memory {
        mapped: Bytes(mapped),
        heap_in_use: Bytes(in_use),
        heap_free: Bytes(free),
        external: Bytes(external),
    });
    let work = (sizes(), sizes(), sizes()).prop_map(|(heap, stacks, globals)| Work {
        heap: ScanWork(heap),
        stacks: ScanWork(stacks),
        globals: ScanWork(globals),
    });
    let bytes = (sizes(), sizes(), sizes(), sizes());
    let times = (sizes(), sizes(), sizes(), sizes(), sizes(), sizes());
    (memory, work, bytes, times).prop_map(|(memory, work, bytes, times)| CycleReport {
        now: Nanos(times.0),
        live: Bytes(bytes.0),
        left: Bytes(bytes.1),
        peak: Bytes(bytes.2),
        work,
        duration: Nanos(times.1),
        assist_cpu: CpuNanos(times.2),
        background_cpu: CpuNanos(times.4),
        idle_cpu: CpuNanos(times.3),
        gc_cpu: CpuNanos(times.4),
        mutator_cpu: CpuNanos(times.5),
        allocated: Bytes(bytes.3),
        memory,
    })
}

fn knobs() -> impl Strategy<Value = Knobs> {
    let percent = prop_oneof![4 => (0_u32..3000).prop_map(GcPercent::Percent), 1 => Just(GcPercent::Off)];
    let limit =
        prop_oneof![sizes().prop_map(|bytes| MemoryLimit::Bytes(Bytes(bytes))), Just(MemoryLimit::Off)];
    (percent, limit, sizes(), 0_u32..256).prop_map(|(percent, limit, max_heap, cores)| Knobs {
        percent,
        limit,
        max_heap: Bytes(max_heap),
        cores,
        ..Knobs::default()
    })
}

fn parts(index: usize, cores: u32) -> Parts {
    match index {
        0 => Parts::on(cores),
        1 => Parts::on(cores).with_goal(SquareRoot::new(0.3)),
        2 => Parts::on(cores).with_goal(TargetShare::new(0.04)),
        _ => Parts::on(cores).with_goal(FixedHeap { size: Bytes::mib(64) }),
    }
}

/// A goal policy that answers whatever it was given.
#[derive(Debug)]
struct Hostile(Vec<f64>, usize);

impl GoalPolicy for Hostile {
    fn name(&self) -> &'static str {
        "hostile"
    }

    fn observe(&mut self, _: &Measured) {
        self.1 += 1;
    }

    fn goal(&self, _: &GoalInputs) -> GoalAnswer {
        GoalAnswer { goal: Target::Bytes(self.0[self.1 % self.0.len()]), formula: Formula::default() }
    }
}

/// Takes a pacer through a cycle, and checks what it says.
fn check_cycle(pacer: &mut Pacer, report: &CycleReport) -> Result<(), TestCaseError> {
    let live = report.peak;
    let start = pacer.begin(&CycleBegin { live, most: ScanWork(report.live.0), ..CycleBegin::default() });
    prop_assert!(start.assist.ratio.is_finite() && start.assist.ratio >= 0.0);
    let progress = Progress { live, done: report.work, most: ScanWork(report.left.0), memory: report.memory };
    let assist = pacer.revise(&progress);
    prop_assert!(assist.ratio.is_finite() && assist.ratio >= 0.0);
    let plan = pacer.end(report);
    prop_assert!(plan.trigger <= plan.goal, "{plan:?}");
    prop_assert_eq!(plan, pacer.plan(&report.memory));
    prop_assert!(plan.goal >= report.live || plan.goal == Bytes::MAX);
    let limit_goal = pacer.knobs().limit.goal(&report.memory, report.live);
    prop_assert!(plan.goal <= limit_goal.max(report.live), "the limit wins: {plan:?}, {limit_goal}");
    prop_assert!(pacer.gauges(&report.memory).effective_gc_percent >= 0.0);
    pacer.swept();
    let swept = pacer.plan(&report.memory);
    prop_assert!(swept.trigger <= swept.goal && swept.goal <= plan.goal);
    for record in pacer.records() {
        prop_assert!(!record.to_string().is_empty());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    /// Goal: whatever is reported, plans are finite, in order, and below the limit.
    #[test]
    fn plans_are_always_sane(knobs in knobs(), index in 0_usize..4, reports in prop::collection::vec(reports(), 1..8)) {
        let mut pacer = Pacer::with_parts(knobs, parts(index, knobs.cores));
        for report in &reports {
            check_cycle(&mut pacer, report)?;
        }
    }

    /// Goal: nor can a policy break them. Method: policies that answer any bits.
    #[test]
    fn no_policy_breaks_a_plan(knobs in knobs(), answers in prop::collection::vec(any::<f64>(), 1..6),
                               reports in prop::collection::vec(reports(), 1..8)) {
        let mut pacer = Pacer::with_parts(knobs, Parts::on(knobs.cores).with_goal(Hostile(answers, 0)));
        for report in &reports {
            check_cycle(&mut pacer, report)?;
        }
    }

    /// Goal: more percent, a higher limit, a lower price or a smaller share never mean a smaller goal.
    #[test]
    fn knobs_are_monotone(report in reports(), percent in 0_u32..2000, limit in 0_u64..1 << 40, factor in 1.01..10.0_f64) {
        let goal = |knobs: Knobs, parts: Parts| {
            let mut pacer = Pacer::with_parts(knobs, parts);
            pacer.end(&report).goal
        };
        let percents = |percent| goal(Knobs { percent: GcPercent::Percent(percent), ..Knobs::default() }, Parts::on(1));
        prop_assert!(percents(percent) <= percents(percent + 1));
        let limits = |limit| goal(Knobs { limit: MemoryLimit::Bytes(Bytes(limit)), ..Knobs::default() }, Parts::on(1));
        prop_assert!(limits(limit) <= limits(limit + 4096));
        prop_assert!(limits(limit) <= goal(Knobs::default(), Parts::on(1)));
        let prices = |price| goal(Knobs::default(), Parts::on(1).with_goal(SquareRoot::new(price)));
        prop_assert!(prices(0.3 * factor) <= prices(0.3));
        let shares = |share| goal(Knobs::default(), Parts::on(1).with_goal(TargetShare::new(share)));
        prop_assert!(shares(0.04 * factor) <= shares(0.04));
    }

    /// Goal: knobs act at once, and give the old value back.
    #[test]
    fn knobs_act_at_once(live in 1_u64 << 24..1 << 36, old in 1_u32..1000, new in 1_u32..1000) {
        let knobs = Knobs { percent: GcPercent::Percent(old), ..Knobs::default() };
        let mut pacer = Pacer::new(knobs);
        let memory = Memory::default();
        pacer.end(&CycleReport { live: Bytes(live), left: Bytes(live), peak: Bytes(live), ..CycleReport::default() });
        pacer.swept();
        prop_assert_eq!(pacer.set_gc_percent(GcPercent::Percent(new), &memory), GcPercent::Percent(old));
        let grown = Bytes(live) + Bytes(live).scaled(new.into(), 100);
        let least = Bytes::mib(4).scaled(new.into(), 100).max(Bytes(live) + Bytes::kib(64));
        prop_assert_eq!(pacer.plan(&memory).goal, grown.max(least));
        let limit = MemoryLimit::Bytes(Bytes(live));
        prop_assert_eq!(pacer.set_memory_limit(limit, &memory), MemoryLimit::Off);
        prop_assert_eq!(pacer.plan(&memory).goal, Bytes(live));
        prop_assert_eq!(pacer.set_memory_limit(MemoryLimit::Off, &memory), limit);
    }

    /// Goal: the square-root rule is its closed form. Method: a program that does the same for many cycles.
    #[test]
    fn the_square_root_is_the_closed_form(live in 1e8..1e10_f64, rate in 1e7..1e10_f64, speed in 1e8..1e10_f64,
                                          price in 0.01..10.0_f64, seconds in 0.01..10.0_f64) {
        let mut policy = SquareRoot::new(price);
        let cycle = Measured {
            live: Bytes::from_f64(live),
            allocated: Bytes::from_f64(rate * seconds),
            mutator_cpu: CpuNanos::from_f64(seconds * 1e9),
            gc_cpu: CpuNanos::from_f64(live / speed * 1e9),
            work: ScanWork::from_f64(live),
            elapsed: Nanos::from_f64(seconds * 1e9),
        };
        for _ in 0..5 {
            policy.observe(&cycle);
        }
        let Target::Bytes(goal) = policy.goal(&GoalInputs { live: cycle.live, ..GoalInputs::default() }).goal else {
            panic!("it has a goal")
        };
        let room = (live * rate / (speed * price / 1_073_741_824.0)).sqrt().max(4_194_304.0);
        prop_assert!(((goal - live) / room - 1.0).abs() < 1e-6, "{} for {room}", goal - live);
    }
}

/// A steady program with room for all that grows.
fn steady(alloc: f64, scan: f64, live: f64, percent: u32, cores: u32) -> Scenario {
    let mut scenario = scenarios::named("steady", 0).expect("a scenario");
    scenario.program.alloc_rate = Stream::constant(alloc);
    scenario.program.scan_rate = Stream::constant(scan);
    scenario.program.live = Stream::constant(live);
    scenario.program.threads = Stream::constant(f64::from(cores));
    scenario.knobs.percent = GcPercent::Percent(percent);
    scenario.knobs.cores = cores;
    (scenario.cycles, scenario.seconds) = (40, 1e6);
    scenario
}

fn rows(scenario: Scenario) -> Vec<CycleRow> {
    let parts = Parts::on(scenario.knobs.cores);
    rows_with(scenario, parts)
}

fn rows_with(scenario: Scenario, parts: Parts) -> Vec<CycleRow> {
    let mut rows = Vec::new();
    Simulation::with_parts(scenario, parts).run(|row, _| rows.push(*row));
    rows
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    /// Goal: any steady program of the box is in its steady state 25 cycles after an empty heap: goals change by less than
    /// 0.5 % from cycle to cycle, and peaks are from 93 % to 101 % of the goal. The box: 1 to 64 cores, 1 to 200 MB/s
    /// allocated and 0.5 to 4 GB/s scanned on each, 8 MB to 2 GB live, percents from 50 to 800, cycles of less than two
    /// minutes.
    #[test]
    fn steady_programs_converge(alloc in 1e6..2e8_f64, scan in 5e8..4e9_f64, live in 8e6..2e9_f64,
                                percent in 50_u32..800, cores in 1_u32..64) {
        let alloc = alloc.max(live * f64::from(percent) / 100.0 / 60.0 / f64::from(cores));
        let rows = rows(steady(alloc, scan, live, percent, cores));
        prop_assert_eq!(rows.len(), 40);
        for pair in rows[25..].windows(2) {
            let change = pair[1].goal.as_f64() / pair[0].goal.as_f64() - 1.0;
            prop_assert!(change.abs() < 0.005, "{:?} after {:?}", pair[1], pair[0]);
            prop_assert!((0.93..=1.01).contains(&pair[1].goal_ratio()), "{:?}", pair[1]);
        }
    }

    /// Goal: only the ratio of speeds matters. Method: everything twice, four, eight times as fast, without the idle
    /// automaton, which goes by the clock; the first cycles are left out, in which the engine looks every 10 ms.
    #[test]
    fn time_has_no_unit(alloc in 1e7..1e8_f64, scan in 5e8..2e9_f64, live in 8e6..2e8_f64, power in 1_u32..4) {
        let factor = f64::from(1_u32 << power);
        let rows = |scenario| rows_with(scenario, Parts::on(8).with_idle(NeverIdle));
        let slow = rows(steady(alloc, scan, live, 100, 8));
        let fast = rows(steady(alloc * factor, scan * factor, live, 100, 8));
        for (slow, fast) in slow[25..].windows(2).zip(fast[25..].windows(2)) {
            let near = |a: Bytes, b: Bytes| (a.as_f64() / b.as_f64() - 1.0).abs() < 1e-3;
            prop_assert!(near(slow[1].goal, fast[1].goal) && near(slow[1].peak, fast[1].peak), "{slow:?} and {fast:?}");
            let period = |pair: &[CycleRow]| pair[1].seconds - pair[0].seconds;
            prop_assert!((period(slow) / period(fast) / factor - 1.0).abs() < 1e-3, "{slow:?} and {fast:?}");
        }
    }

    /// Goal: bytes have no unit either, where no least size binds. Method: heaps above 500 MB, twice and four times as large.
    #[test]
    fn bytes_have_no_unit(alloc in 1e8..4e8_f64, scan in 5e8..2e9_f64, live in 5e8..1e9_f64, power in 1_u32..3) {
        let factor = f64::from(1_u32 << power);
        let small = rows(steady(alloc, scan, live, 100, 8));
        let large = rows(steady(alloc * factor, scan * factor, live * factor, 100, 8));
        let (small, large) = (small[39], large[39]);
        prop_assert!((large.goal.as_f64() / small.goal.as_f64() / factor - 1.0).abs() < 0.01);
        prop_assert!((large.trigger.as_f64() / small.trigger.as_f64() / factor - 1.0).abs() < 0.01);
        prop_assert!((large.utilization - small.utilization).abs() < 0.005);
    }
}

/// Goal: the same command gives the same numbers. Method: all scenarios, twice.
#[test]
fn every_run_is_the_same() {
    for (name, _) in scenarios::names() {
        let scenario = |seed| scenarios::named(name, seed).expect("a scenario");
        let first = rows(scenario(7));
        assert!(!first.is_empty(), "{name}");
        assert_eq!(first, rows(scenario(7)), "{name}");
    }
}
