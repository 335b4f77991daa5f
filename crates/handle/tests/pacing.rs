//! Pacing through the public interface: knobs, limits, external bytes, ramp-up, policies, silence.
//!
//! Heaps without background threads advance only where the test's own thread allocates or leaves scopes, so most tests use them.
//! Where there are background threads, verdicts do not depend on who is faster.

use mudlark::{
    ExternalBytes, GcPercent, Heap, HeapBuilder, HeapStats, MemoryLimit, Mutator, Root, Scope, Trace,
    pacing::{
        Bytes, Decision, FixedHeap, Formula, GoalAnswer, GoalInputs, GoalPolicy, Nanos, NoGc, Parts,
        PressureChange, PressureLevel, RampBound, Reducer, SquareRoot, Target, TargetShare,
    },
};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

const MIB: u64 = 1 << 20;
/// Blocks that may be open, or taken before a cycle can know.
const SLACK: u64 = 8 * (64 << 10);
/// What one scope of a garbage producer allocates.
const SCOPE_BYTES: u64 = 64 << 10;
/// Everything here takes far less.
const DEADLINE: Duration = Duration::from_secs(30);

fn builder(workers: usize) -> HeapBuilder {
    Heap::builder().workers(workers)
}

fn parts() -> Parts {
    Parts::on(2)
}

/// Large objects that take so many bytes together, headers included, all different.
fn keep(mutator: &mut Mutator, bytes: u64) -> Vec<Root<[u64]>> {
    let count = bytes / SCOPE_BYTES;
    (0..count)
        .map(|n| mutator.enter(|cx| cx.root(cx.alloc_slice_fill(SCOPE_BYTES as usize / 8 - 8, n))))
        .collect()
}

/// Whether what was kept is as it was.
fn check(mutator: &mut Mutator, kept: &[Root<[u64]>]) {
    for (n, root) in kept.iter().enumerate() {
        mutator.enter(|cx| assert!(root.get(cx).iter().all(|&word| word == n as u64), "object {n}"));
    }
}

fn garbage(cx: &Scope<'_>) {
    for _ in 0..SCOPE_BYTES / 1024 {
        cx.alloc([0_u64; 128]);
    }
}

/// Allocates garbage in small objects and short scopes; `look` sees the numbers after each scope.
fn churn(mutator: &mut Mutator, bytes: u64, mut look: impl FnMut(&HeapStats)) {
    for _ in 0..bytes / SCOPE_BYTES {
        mutator.enter(garbage);
        look(&mutator.heap().stats());
    }
}

/// Memory as a limit counts it.
fn held(stats: &HeapStats) -> u64 {
    stats.committed_bytes + stats.side_table_bytes + stats.external_bytes
}

/// Waits until something holds; background threads work meanwhile.
fn wait_until(heap: &Heap, what: &str, mut holds: impl FnMut(&HeapStats) -> bool) {
    let begun = Instant::now();
    loop {
        let stats = heap.stats();
        if holds(&stats) {
            return;
        }
        assert!(begun.elapsed() < DEADLINE, "{what}: {stats:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

// ---- knobs

/// Goal: a knob returns its old value and acts without a cycle. Method: the goal before and after.
#[test]
fn knobs_act_at_once() {
    let heap = builder(0).build().expect("a heap");
    let mut mutator = heap.attach();
    let _kept = keep(&mut mutator, 8 * MIB);
    mutator.collect();
    let goal = || heap.stats().goal_bytes;
    let (usual, cycles) = (goal(), heap.stats().cycles);
    assert!((15 * MIB..18 * MIB).contains(&usual), "{usual}");

    assert_eq!(heap.set_gc_percent(50), GcPercent::Percent(100));
    assert!((11 * MIB..13 * MIB).contains(&goal()), "{}", goal());
    assert_eq!(heap.set_gc_percent(300), GcPercent::Percent(50));
    assert!((31 * MIB..34 * MIB).contains(&goal()), "{}", goal());
    assert_eq!(heap.set_gc_percent(GcPercent::Off), GcPercent::Percent(300));
    assert!(goal() > 1 << 30);
    assert_eq!((heap.set_gc_percent(100), heap.gc_percent()), (GcPercent::Off, GcPercent::Percent(100)));
    assert_eq!(goal(), usual);

    assert_eq!(heap.memory_limit(), MemoryLimit::Off);
    assert_eq!(heap.set_memory_limit(14 * MIB), MemoryLimit::Off);
    assert!((8 * MIB..14 * MIB).contains(&goal()), "{}", goal());
    assert_eq!(heap.set_memory_limit(13 * MIB), MemoryLimit::from(14 * MIB));
    assert!((8 * MIB..13 * MIB).contains(&goal()), "{}", goal());
    assert_eq!(heap.memory_limit(), MemoryLimit::from(13 * MIB));
    assert_eq!(heap.set_memory_limit(MemoryLimit::Off), MemoryLimit::from(13 * MIB));
    assert_eq!((goal(), heap.stats().cycles), (usual, cycles));
}

/// Goal: a knob that is turned in the middle counts for the program that runs. Method: cycles of the same garbage at two percents
/// and then under a limit.
#[test]
fn knobs_change_how_often() {
    let heap = builder(0).gc_percent(1000).build().expect("a heap");
    let mut mutator = heap.attach();
    let _kept = keep(&mut mutator, 4 * MIB);
    mutator.collect();
    let mut cycles = || {
        let before = heap.stats().cycles;
        churn(&mut mutator, 64 * MIB, |_| ());
        heap.stats().cycles - before
    };
    let rare = cycles();
    heap.set_gc_percent(100);
    let frequent = cycles();
    heap.set_gc_percent(1000);
    let rare_again = cycles();
    heap.set_memory_limit(12 * MIB);
    let limited = cycles();
    assert!(rare < frequent && rare_again < frequent && rare_again < limited);
}

// ---- the memory limit

/// Garbage far beyond a limit beside little that lives. Returns the most memory that was held after a scope, and the cycles.
fn run_below(limit: MemoryLimit, workers: usize) -> (u64, u64) {
    let heap = builder(workers).gc_percent(1000).memory_limit(limit).build().expect("a heap");
    let mut mutator = heap.attach();
    let kept = keep(&mut mutator, 4 * MIB);
    let mut most = 0;
    churn(&mut mutator, 96 * MIB, |stats| most = most.max(held(stats)));
    check(&mut mutator, &kept);
    (most, heap.stats().cycles)
}

const LIMIT: u64 = 24 * MIB;
const LIMIT_AND_SLACK: u64 = LIMIT + LIMIT / 100 * 3 + SLACK;

/// Goal: a soft limit is kept when little lives, and costs cycles. Method: garbage far beyond it, with and without it. How late a
/// background thread is, is for the scheduler to say; so with one the bound is wider.
#[test]
fn a_memory_limit_is_kept() {
    for (workers, bound) in [(0, LIMIT_AND_SLACK), (1, LIMIT * 3 / 2)] {
        let (most, limited) = run_below(LIMIT.into(), workers);
        let (_, free) = run_below(MemoryLimit::Off, workers);
        assert!(most <= bound, "{workers} workers: {most} of {LIMIT}");
        assert!(limited > free, "{workers} workers: {limited} cycles, {free} without a limit");
    }
}

/// Goal: the same bound with a background thread. Method: as above.
#[test]
#[ignore = "on a busy machine the heap goes 12 % beyond the limit while the background thread waits for a core"]
fn a_memory_limit_is_kept_as_well_in_the_background() {
    let (most, _) = run_below(LIMIT.into(), 1);
    assert!(most <= LIMIT_AND_SLACK, "{most} of {LIMIT}");
}

/// Goal: a limit that cannot be kept stops nobody. Method: more lives than the limit allows; garbage beside it, and a clock.
#[test]
fn a_limit_below_live_stops_nobody() {
    for workers in [0, 1] {
        let heap = builder(workers).memory_limit(8 * MIB).build().expect("a heap");
        let mut mutator = heap.attach();
        let begun = Instant::now();
        let mut kept = keep(&mut mutator, 16 * MIB);
        churn(&mut mutator, 16 * MIB, |_| assert!(begun.elapsed() < DEADLINE, "{:?}", heap.stats()));
        check(&mut mutator, &kept);
        assert!(heap.stats().cycles > 0);
        // And all is as usual when there is room again.
        kept.truncate(16);
        for _ in 0..4 {
            mutator.collect();
        }
        churn(&mut mutator, 16 * MIB, |_| ());
        mutator.collect();
        let stats = heap.stats();
        assert!(held(&stats) <= 8 * MIB + SLACK, "{workers} workers: {stats:?}");
        check(&mut mutator, &kept);
    }
}

// ---- external bytes

#[derive(Trace)]
struct Buffer(ExternalBytes);

/// Goal: external bytes are what objects say, until they die. Method: count, resize, drop.
#[test]
fn external_bytes_are_counted() {
    let heap = builder(0).build().expect("a heap");
    let mut mutator = heap.attach();
    let external = || heap.stats().external_bytes;
    let kept = mutator.enter(|cx| {
        cx.alloc(Buffer(cx.account_external(1000)));
        let mut held = cx.account_external(10);
        assert_eq!((held.bytes(), external()), (10, 1010));
        held.resize(300);
        assert_eq!((held.bytes(), external()), (300, 1300));
        held.resize(200);
        assert_eq!((held.bytes(), external()), (200, 1200));
        cx.root(cx.alloc(Buffer(held)))
    });
    mutator.collect();
    assert_eq!(external(), 200);
    let outside = mutator.enter(|cx| cx.account_external(5));
    drop(kept);
    mutator.collect();
    assert_eq!(external(), 5);
    drop((mutator, heap));
    assert_eq!(outside.bytes(), 5, "bytes may outlive their heap");
}

/// Allocates garbage that holds 1 MiB in 16 bytes each; returns the most that was held.
fn churn_buffers(mutator: &mut Mutator, count: u64) -> u64 {
    let most = (0..count).map(|_| {
        mutator.enter(|cx| _ = cx.alloc(Buffer(cx.account_external(MIB))));
        // A loop that does nothing else is faster than any thread that is to be woken.
        thread::yield_now();
        mutator.heap().stats().external_bytes
    });
    most.max().unwrap_or(0)
}

/// Goal: tiny objects with large buffers cause cycles, and all their bytes go with them. Method: garbage.
#[test]
fn external_bytes_pace() {
    for workers in [0, 1] {
        let heap = builder(workers).build().expect("a heap");
        let mut mutator = heap.attach();
        churn_buffers(&mut mutator, 2000);
        let cycles = heap.stats().cycles;
        assert!(cycles >= 2, "{workers} workers: {cycles} cycles");
        mutator.collect();
        assert_eq!(heap.stats().external_bytes, 0, "{workers} workers");
    }
}

/// Goal: external bytes are bounded as if they were in the heap. Method: garbage in a heap without background threads; the most that
/// is held at once.
#[test]
fn external_bytes_are_bounded() {
    let heap = builder(0).build().expect("a heap");
    let mut mutator = heap.attach();
    let most = churn_buffers(&mut mutator, 2000);
    assert!(most <= 64 * MIB, "{most} in {} cycles", heap.stats().cycles);
}

/// Goal: a burst of external bytes is worth a few cycles, not cycles without end. Method: ten times the goal at once, dead or kept,
/// then some garbage.
#[test]
fn a_burst_of_external_bytes_is_worth_few_cycles() {
    for is_kept in [false, true] {
        let heap = builder(0).build().expect("a heap");
        let mut mutator = heap.attach();
        churn(&mut mutator, 16 * MIB, |_| ());
        let before = heap.stats();
        let burst: Vec<Root<Buffer>> = mutator.enter(|cx| {
            (0..40).map(|_| cx.root(cx.alloc(Buffer(cx.account_external(before.goal_bytes / 4))))).collect()
        });
        let kept = is_kept.then_some(burst);
        churn(&mut mutator, 16 * MIB, |_| ());
        let cycles = heap.stats().cycles - before.cycles;
        assert!((1..=12).contains(&cycles), "kept {is_kept}: {cycles} cycles");
        drop(kept);
    }
}

// ---- ramp-up, and memory given back

/// Goal: no cycle while data is built; one makes up for it; then all is as usual. Method: build, with and without a bound.
#[test]
fn a_ramp_up_suspends_cycles_and_is_repaid() {
    for workers in [0, 1] {
        let heap = builder(workers).build().expect("a heap");
        let mut mutator = heap.attach();
        let ramp_up = heap.ramp_up(RampBound::Limits);
        let kept = keep(&mut mutator, 24 * MIB);
        churn(&mut mutator, 8 * MIB, |_| ());
        assert_eq!(heap.stats().cycles, 0, "{workers} workers");
        drop(ramp_up);
        let stats = heap.stats();
        assert!(stats.trigger_bytes <= stats.live_now_bytes && stats.live_now_bytes < stats.goal_bytes);
        churn(&mut mutator, 16 * MIB, |_| ());
        wait_until(&heap, "a cycle that repays", |stats| stats.cycles > 0);
        mutator.collect();
        let stats = heap.stats();
        assert!(stats.goal_bytes < stats.live_bytes * 9 / 4, "{workers} workers: {stats:?}");
        check(&mut mutator, &kept);
    }

    let heap = builder(0).build().expect("a heap");
    let mut mutator = heap.attach();
    let _ramp_up = heap.ramp_up(RampBound::Bytes(Bytes::mib(16)));
    churn(&mut mutator, 12 * MIB, |stats| assert_eq!(stats.cycles, 0));
    churn(&mut mutator, 12 * MIB, |_| ());
    assert!(heap.stats().cycles > 0, "the bound ends it");
}

/// Goal: free memory goes back when asked, and comes again. Method: a burst, and the counters.
#[test]
fn free_memory_is_given_back() {
    let heap = builder(0).gc_percent(GcPercent::Off).build().expect("a heap");
    let mut mutator = heap.attach();
    let kept = keep(&mut mutator, MIB);
    churn(&mut mutator, 32 * MIB, |_| ());
    mutator.collect();
    heap.set_gc_percent(100);
    let before = heap.stats();
    let released = heap.release_free_memory() as u64;
    let after = heap.stats();
    assert_eq!(after.committed_bytes, before.committed_bytes - released);
    assert_eq!(after.committed_bytes, after.in_use_bytes, "all that is free");
    assert!(before.released_bytes + released >= 16 * MIB, "{before:?}");
    assert_eq!(heap.release_free_memory(), 0);
    churn(&mut mutator, 8 * MIB, |_| ());
    check(&mut mutator, &kept);
}

// ---- what can be watched

/// Goal: pressure is told as it rises and falls, and a listener that panics harms nobody. Method: live data up to a limit, and
/// gone; the first call panics.
#[test]
fn pressure_is_told() {
    let told = Arc::new(Mutex::new(Vec::<PressureChange>::new()));
    let listener = Arc::clone(&told);
    let heap = builder(0)
        .memory_limit(16 * MIB)
        .on_pressure(move |change| {
            let is_first = {
                let mut told = listener.lock().expect("no panic while it is locked");
                told.push(change);
                told.len() == 1
            };
            assert!(!is_first, "a listener that panics");
        })
        .build()
        .expect("a heap");
    let mut mutator = heap.attach();
    mutator.collect();
    assert_eq!((heap.gauges().pressure, told.lock().unwrap().len()), (PressureLevel::None, 0));
    let mut kept = Vec::new();
    let mut percents = Vec::new();
    for _ in 0..10 {
        kept.extend(keep(&mut mutator, 2 * MIB));
        mutator.collect();
        percents.push(heap.gauges().effective_gc_percent);
    }
    assert!(percents[0] > 99.0 && percents[9] == 0.0, "{percents:?}");
    assert_eq!(heap.gauges().pressure, PressureLevel::Critical);
    let rising = told.lock().unwrap().len();
    assert!(rising >= 2);
    drop(kept);
    // A level falls when three cycles in a row call for less.
    for _ in 0..12 {
        mutator.collect();
    }
    let gauges = heap.gauges();
    assert!(gauges.pressure < PressureLevel::High, "{gauges:?}");
    let told = told.lock().unwrap();
    assert!(told[..rising].iter().all(|change| change.to > change.from), "{told:?}");
    assert!(told.len() > rising && told[rising..].iter().all(|change| change.to < change.from), "{told:?}");
    assert!(told.windows(2).all(|pair| pair[0].to == pair[1].from), "{told:?}");
}

/// Goal: the CPU time of a cycle is in its record and in the heap's own account. Method: a list that background threads mark.
#[test]
fn records_tell_who_marked() {
    for workers in [1, 0] {
        let heap = builder(workers).build().unwrap();
        let mut mutator = heap.attach();
        let kept: Vec<Root<u64>> =
            mutator.enter(|cx| (0..10_000_u64).map(|n| cx.root(cx.alloc(n))).collect());
        mutator.collect();
        let cpu = heap.cpu_stats();
        let end = heap.decisions().into_iter().find_map(|record| match record.decision {
            Decision::End(end) if record.cycle == 1 => Some(end),
            _ => None,
        });
        let end = end.expect("the cycle is over");
        assert!(cpu.marking_ns <= cpu.background_ns);
        assert_eq!((cpu.marking_ns > 0, end.background > 0.0), (workers > 0, workers > 0), "{cpu:?} {end:?}");
        assert!(workers > 0 || cpu.assist_ns > 0);
        drop(kept);
    }
}

/// Goal: a cycle can be explained by what ruled it. Method: a heap for each rule.
#[test]
fn cycles_are_explained() {
    let explanation = |builder: HeapBuilder, live| {
        let heap = builder.build().expect("a heap");
        let mut mutator = heap.attach();
        let _kept = keep(&mut mutator, live);
        mutator.collect();
        mutator.collect();
        assert_eq!(heap.explain(0) + &heap.explain(1000), "");
        heap.explain(heap.stats().cycles)
    };
    let parts_of = |text: &str, wanted: &[&str]| {
        for part in ["goal ", "; trigger ", "began at ", "because somebody asked", "finished at ", " live"] {
            assert!(text.contains(part), "no {part:?} in {text}");
        }
        for part in wanted {
            assert!(text.contains(part), "no {part:?} in {text}");
        }
    };
    parts_of(&explanation(builder(0), 8 * MIB), &["= live ", " x 100%"]);
    parts_of(&explanation(builder(0), 0), &["the least heap, 4 MiB x percent"]);
    let limited = builder(0).memory_limit(12 * MIB);
    parts_of(&explanation(limited, 8 * MIB), &["what the memory limit 12,582,912 leaves; normal would be "]);
    let small = builder(0).max_heap(16 << 20);
    parts_of(&explanation(small, 9 * MIB), &["what the maximum heap leaves; normal would be "]);
    let fixed = builder(0).pacing(parts().with_goal(FixedHeap { size: Bytes::mib(32) }));
    parts_of(&explanation(fixed, 8 * MIB), &["the fixed size"]);
}

// ---- other policies

/// Answers as it is told to.
#[derive(Debug)]
struct Hostile {
    answers: &'static [f64],
    asked: AtomicU64,
}

impl GoalPolicy for Hostile {
    fn name(&self) -> &'static str {
        "hostile"
    }

    fn goal(&self, _: &GoalInputs) -> GoalAnswer {
        let asked = self.asked.fetch_add(1, Relaxed) as usize;
        let goal = Target::Bytes(self.answers[asked % self.answers.len()]);
        GoalAnswer { goal, formula: Formula::new("no good", &[]) }
    }
}

/// Goal: a policy that answers nonsense is refused, and the heap goes on. Method: each kind of nonsense, and all in turn.
#[test]
fn nonsense_of_policies_is_refused() {
    const NONSENSE: [&[f64]; 7] = [
        &[f64::NAN],
        &[f64::INFINITY],
        &[f64::NEG_INFINITY],
        &[0.0],
        &[1.0],
        &[1e300],
        &[f64::NAN, 1e9, 0.0, f64::INFINITY, 1e7, -1.0],
    ];
    for (answers, workers) in NONSENSE.into_iter().zip([0, 1].into_iter().cycle()) {
        let policy = Hostile { answers, asked: AtomicU64::new(0) };
        let heap = builder(workers).pacing(parts().with_goal(policy)).build().expect("a heap");
        let mut mutator = heap.attach();
        let kept = keep(&mut mutator, 2 * MIB);
        churn(&mut mutator, 8 * MIB, |_| ());
        for _ in 0..8 {
            mutator.collect();
            let stats = heap.stats();
            assert!(
                stats.live_bytes < stats.goal_bytes && stats.trigger_bytes <= stats.goal_bytes,
                "{stats:?}"
            );
        }
        heap.set_gc_percent(50);
        let gauges = heap.gauges();
        assert!(gauges.rejected >= 4 && !gauges.effective_gc_percent.is_nan(), "{answers:?}: {gauges:?}");
        churn(&mut mutator, 8 * MIB, |_| ());
        check(&mut mutator, &kept);
        mutator.collect();
        assert!(held(&heap.stats()) < 64 * MIB);
        if answers.len() == 1 {
            // A background thread may be in the middle of the next one.
            let cycle = heap.stats().cycles;
            let text = heap.explain(cycle) + &heap.explain(cycle + 1);
            assert!(
                text.contains("policy rejected: the goal ") && text.contains("the last good one"),
                "{text}"
            );
        }
    }
}

/// A policy whose n-th answers panic.
#[derive(Debug)]
struct Explosive {
    asked: AtomicU64,
    panics: fn(u64) -> bool,
}

impl GoalPolicy for Explosive {
    fn name(&self) -> &'static str {
        "explosive"
    }

    fn goal(&self, inputs: &GoalInputs) -> GoalAnswer {
        let asked = self.asked.fetch_add(1, Relaxed);
        assert!(!(self.panics)(asked), "a policy panics on purpose");
        let goal = Target::Bytes(inputs.live.as_f64() * 2.0 + 4e6);
        GoalAnswer { goal, formula: Formula::new("twice and a bit", &[]) }
    }
}

/// Goal: a policy that panics costs an answer, not the heap. Method: panics at the first answers, later, and always; cycles, a knob,
/// and what was kept.
#[test]
fn panics_of_policies_are_contained() {
    let moments: [fn(u64) -> bool; 3] = [|n| n < 2, |n| n % 3 == 2, |_| true];
    for (panics, workers) in moments.into_iter().flat_map(|panics| [(panics, 0), (panics, 1)]) {
        let policy = Explosive { asked: AtomicU64::new(0), panics };
        let heap = builder(workers).pacing(parts().with_goal(policy)).build().expect("a heap");
        let mut mutator = heap.attach();
        let kept = keep(&mut mutator, 2 * MIB);
        for _ in 0..6 {
            churn(&mut mutator, 2 * MIB, |_| ());
            mutator.collect();
        }
        heap.set_gc_percent(50);
        let stats = heap.stats();
        assert!(stats.cycles >= 6 && stats.live_bytes < stats.goal_bytes, "{stats:?}");
        assert!(heap.gauges().rejected >= 1, "{:?}", heap.gauges());
        check(&mut mutator, &kept);
    }
}

/// Goal: a fixed heap is as large as it says. Method: garbage; the goal, and memory.
#[test]
fn a_fixed_heap_has_its_size() {
    let policy = FixedHeap { size: Bytes::mib(16) };
    let heap = builder(0).pacing(parts().with_goal(policy)).build().expect("a heap");
    let mut mutator = heap.attach();
    let mut kept = keep(&mut mutator, 2 * MIB);
    churn(&mut mutator, 64 * MIB, |stats| assert!(stats.live_now_bytes < 18 * MIB, "{stats:?}"));
    let stats = heap.stats();
    assert_eq!(stats.goal_bytes, 16 * MIB);
    assert!((3..=10).contains(&stats.cycles), "{stats:?}");
    kept.extend(keep(&mut mutator, 24 * MIB));
    mutator.collect();
    let stats = heap.stats();
    assert!(stats.goal_bytes > stats.live_bytes, "a full one goes on: {stats:?}");
}

/// Goal: without collections there are none, but for those that are asked for and those that a limit needs. Method: garbage.
#[test]
fn no_collection_means_none() {
    let heap = builder(0).pacing(parts().with_goal(NoGc)).build().expect("a heap");
    let mut mutator = heap.attach();
    churn(&mut mutator, 48 * MIB, |_| ());
    assert_eq!(heap.stats().cycles, 0);
    mutator.collect();
    assert_eq!(heap.stats().cycles, 1);
    heap.set_memory_limit(16 * MIB);
    churn(&mut mutator, 48 * MIB, |_| ());
    assert!(heap.stats().cycles > 1);
}

/// The goal of a policy after four cycles of the same program.
fn goal_of(policy: impl GoalPolicy + 'static, workers: usize) -> u64 {
    let heap = builder(workers).pacing(parts().with_goal(policy)).build().expect("a heap");
    let mut mutator = heap.attach();
    let _kept = keep(&mut mutator, 4 * MIB);
    for _ in 0..4 {
        churn(&mut mutator, 2 * MIB, |_| ());
        mutator.collect();
    }
    let stats = heap.stats();
    assert!(stats.goal_bytes > stats.live_bytes && heap.gauges().rejected == 0, "{stats:?}");
    stats.goal_bytes
}

fn check_rates(workers: usize) {
    let goals = [SquareRoot::new(1000.0), SquareRoot::new(0.01)].map(|policy| goal_of(policy, workers));
    assert!(goals[0] < goals[1], "square root: {goals:?}");
    let goals = [TargetShare::new(0.9), TargetShare::new(0.001)].map(|policy| goal_of(policy, workers));
    // Other tests of the process count as mutators; both may be as small as goals can be.
    assert!(goals[0] <= goals[1], "share: {goals:?}");
}

/// Goal: a policy that trades time for memory goes by its rate. Method: the same program at rates far apart.
#[test]
fn rates_trade_time_for_memory() {
    check_rates(1);
}

/// Goal: the same without background threads. Method: as above.
#[test]
fn rates_trade_time_for_memory_without_background() {
    check_rates(0);
}

// ---- silence

/// Goal: a silent program holds little more than what lives, its tables included, whatever its peak was, and although most of what was
/// born during its last cycle is garbage that no allocation followed. Method: a peak of many times what is kept, ended by a cycle.
#[test]
fn silence_counts_tables_and_what_the_last_cycle_kept() {
    let idle = Reducer::new(Nanos::millis(400));
    let heap = builder(1).gc_percent(500).pacing(parts().with_idle(idle)).build().expect("a heap");
    let mut mutator = heap.attach();
    let kept = keep(&mut mutator, 32 * MIB);
    mutator.collect();
    let cycles = heap.stats().cycles;
    while heap.stats().cycles == cycles {
        churn(&mut mutator, MIB, |_| ());
    }
    let held = |stats: &HeapStats| stats.committed_bytes + stats.side_table_bytes;
    assert!(held(&heap.stats()) > 160 * MIB, "{:?}", heap.stats());
    wait_until(&heap, "a small heap", |stats| held(stats) * 4 <= stats.live_bytes * 5);
    check(&mut mutator, &kept);
}

/// Goal: a program that falls silent does not keep its peak. Method: a burst, and a look now and then.
#[test]
fn silence_makes_the_heap_small() {
    let idle = Reducer::new(Nanos::millis(400));
    let heap = builder(1).gc_percent(1000).pacing(parts().with_idle(idle)).build().expect("a heap");
    let mut mutator = heap.attach();
    let kept = keep(&mut mutator, 32 * MIB);
    churn(&mut mutator, 48 * MIB, |_| ());
    let cycles = heap.stats().cycles;
    wait_until(&heap, "a small heap", |stats| {
        stats.cycles > cycles && held(stats) <= stats.live_bytes + stats.live_bytes / 4
    });
    let stats = heap.stats();
    assert!(stats.cycles - cycles <= 3, "{stats:?}");
    check(&mut mutator, &kept);
    churn(&mut mutator, 8 * MIB, |_| ());
}
