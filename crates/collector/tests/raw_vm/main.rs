//! A small machine on the raw tier: NaN-boxed values, objects with layouts of its own, a stack of its own. It runs real
//! programs while cycles run all the time, and what they leave is compared with what plain Rust makes of them.
#![cfg(not(loom))]

mod compile;
mod machine;
mod objects;
#[path = "../../../arena/tests/support/pages.rs"]
mod pages;
mod programs;
mod reference;
mod syntax;
mod value;

use machine::{Machine, Rules, World};
use mudlark_collector::{Config, FullCause, Zeal};
use pages::FlakyPages;
use programs::LIBRARY;
use reference::Reference;
use std::{ops::Range, sync::atomic::Ordering::Relaxed};
use syntax::{Form, read};

/// A heap that begins a cycle after so many allocations of one kind, and checks each.
fn zealous(workers: usize, allocations_per_cycle: u32, seed: u64) -> Config {
    println!("{workers} background threads, a cycle after {allocations_per_cycle} allocations, seed {seed}");
    let zeal = Zeal {
        seed,
        allocations_per_cycle: Some(allocations_per_cycle),
        yields: workers > 0,
        extra_rounds: true,
        fill_freed: true,
    };
    Config { max_heap: 64 << 20, workers, verify: true, zeal, ..Config::default() }
}

fn forms(program: &str) -> Vec<Form> {
    [read(LIBRARY), read(program)].concat()
}

/// Runs a program in a heap, twice over what plain Rust made of it.
#[track_caller]
fn agrees(program: &str, config: Config) {
    let forms = forms(program);
    let reference = Reference::new();
    let wanted = reference.run(&forms);
    let (world, globals) =
        World::new(config, compile::compile(&forms), Rules::Kept).expect("there is memory");
    let mut mutator = world.heap.attach();
    let mut machine = Machine::new(&world, &mut mutator);
    for round in 0..2 {
        let found = machine.run().expect("there is memory");
        assert!(found == wanted, "round {round}: {}\nand not {}", cut(&found), cut(&wanted));
    }
    drop(machine);
    drop(mutator);
    end(&world, globals, 2 * reference.tables.get());
}

fn cut(text: &str) -> String {
    text.chars().take(400).collect()
}

/// Everything dies: nothing is lost, nothing stays.
#[track_caller]
fn end(world: &World, globals: mudlark_collector::raw::RawRoot, tables: u64) {
    drop(globals);
    world.heap.collect();
    let report = world.heap.verify_report();
    assert!(report.violations.is_empty(), "{:#?}", report.violations);
    assert!(report.cycles > 0, "the verifier was at work");
    let stats = world.heap.stats();
    assert!(stats.cycles > 1, "cycles ran: {stats:?}");
    assert_eq!((stats.aborted_cycles, stats.external_bytes), (0, 0));
    for stats in world.heap.type_stats() {
        assert_eq!((stats.allocated - stats.freed, stats.large_objects), (0, 0), "{stats:?}");
    }
    assert_eq!(world.finalized.load(Relaxed), tables, "each table is finalized once");
    world.heap.recount().expect("the counters are exact");
}

macro_rules! programs {
    ($($test:ident: $program:ident, $allocations:literal;)+) => { $(
        /// Goal: the program's result does not depend on the collector. Method: cycles all the time, without background threads, with
        /// one; the verifier looks at each.
        #[test]
        fn $test() {
            agrees(programs::$program, zealous(0, $allocations, 1));
            agrees(programs::$program, zealous(1, $allocations, 2));
        }
    )+ };
}

programs! {
    queens: QUEENS, 200;
    texts: TEXTS, 20;
    graph: GRAPH, 400;
    sorts: SORTS, 100;
    closures: CLOSURES, 60;
    tables: TABLES, 100;
    weaks: WEAKS, 150;
}

// ---- several mutators

/// What two threads run: they share a table, a list that both push to, and an array whose slots they exchange.
const SHARED: &str = "
(define hits (table))
(define pushed nil)
(define places (make-array 3000 nil))
(let ((n 0)) (while (< n 3000) (aset! places n (cons n (cons n nil))) (set! n (+ n 1))))
(define (spin seed turns) (let ((random (random-from seed)) (n 0))
    (while (< n turns)
        (put! hits (+ (* seed 100) (random 50)) (cons n n))
        (if (eq? (rem n 7) 0) (push! pushed (cons seed n)))
        (let ((x (aref places (random 3000))))
            (aset! places (random 3000) (cons (car x) (cons (car (cdr x)) nil)))
            (aset! places (random 3000) x))
        (set! n (+ n 1)))
    n))
(define (first) (spin 1 3000))
(define (second) (spin 2 3000))
(define (all-pushed) pushed)
(define (all-hits) hits)
(define (sound) (let ((n 0) (bad 0))
    (while (< n 3000)
        (let ((x (aref places n))) (if (eq? (car x) (car (cdr x))) nil (set! bad (+ bad 1))))
        (set! n (+ n 1)))
    bad))
nil
";

/// Goal: what two mutators share is whole, whatever they exchange. Method: two threads push to one list, fill one table and move objects
/// between slots while cycles run; plain Rust does it one after the other, and the order is all that may differ.
fn two_threads(workers: usize, allocations: u32, seed: u64) {
    let forms = forms(SHARED);
    let (world, globals) =
        World::new(zealous(workers, allocations, seed), compile::compile(&forms), Rules::Kept)
            .expect("there is memory");
    let mut mutator = world.heap.attach();
    Machine::new(&world, &mut mutator).run().expect("there is memory");
    std::thread::scope(|threads| {
        for name in ["first", "second"] {
            let world = &world;
            threads.spawn(move || {
                let mut mutator = world.heap.attach();
                let turns = Machine::new(world, &mut mutator).call(name).expect("there is memory");
                assert_eq!(turns, "3000");
            });
        }
    });
    let mut machine = Machine::new(&world, &mut mutator);
    assert_eq!(machine.call("sound").expect("there is memory"), "0");
    let reference = Reference::new();
    reference.run(&forms);
    reference.run(&read("(first) (second)"));
    // The pairs of two numbers in a text, sorted.
    let pairs = |text: &str| {
        let parts = text.split(['(', ')']).filter(|part| part.starts_with(|c: char| c.is_ascii_digit()));
        let mut pairs: Vec<String> = parts.map(str::to_owned).collect();
        pairs.sort();
        assert!(pairs.len() > 800, "the threads pushed: {}", cut(text));
        pairs
    };
    let wanted = [reference.run(&read("(all-pushed)")), reference.run(&read("(all-hits)"))];
    let found = ["all-pushed", "all-hits"].map(|name| machine.call(name).expect("there is memory"));
    assert_eq!(pairs(&found[0]), pairs(&wanted[0]));
    assert_eq!(found[1], wanted[1], "what each thread put under its own keys");
    drop(machine);
    drop(mutator);
    end(&world, globals, 1);
}

#[test]
fn two_mutators_share_globals() {
    two_threads(0, 300, 11);
    two_threads(1, 300, 12);
}

// ---- tests that must fail

/// Runs a program in a machine that breaks a rule; tells what the verifier saw. It frees nothing then, so nothing worse can come of it.
fn violations(program: &str, rules: Rules, seed: u64) -> Vec<String> {
    let forms = forms(program);
    let config = zealous(0, 400, seed);
    let (world, _globals) = World::new(config, compile::compile(&forms), rules).expect("there is memory");
    let mut mutator = world.heap.attach();
    let _ = Machine::new(&world, &mut mutator).run();
    world.heap.verify_report().violations
}

/// Goal: the tests above can fail. Method: the same programs, without what they need; the verifier sees it.
#[test]
fn without_barrier_or_log_objects_are_lost() {
    for seed in 1..4 {
        assert_eq!(violations(programs::GRAPH, Rules::Kept, seed), [""; 0]);
        assert!(!violations(programs::GRAPH, Rules::NoBarrier, seed).is_empty(), "nobody missed the barrier");
        assert_eq!(violations(programs::TABLES, Rules::Kept, seed), [""; 0]);
        assert!(!violations(programs::TABLES, Rules::NoLog, seed).is_empty(), "nobody missed the log");
    }
}

// ---- memory that cannot be had

/// Runs a program while the system refuses; tells whether it came to its end, and how often the system was asked.
fn run_refused(forms: &[Form], wanted: &str, refused: Range<u64>) -> (bool, u64) {
    let flaky = FlakyPages::refusing(refused.start, refused.end);
    let pages = Box::new(flaky.clone());
    let zeal = Zeal { fill_freed: true, ..Zeal::default() };
    let config = Config { pages, max_heap: 64 << 20, workers: 0, zeal, ..Config::default() };
    let Some((world, globals)) = World::new(config, compile::compile(forms), Rules::Kept) else {
        return (false, flaky.requests());
    };
    let mut mutator = world.heap.attach();
    let mut machine = Machine::new(&world, &mut mutator);
    // What fails leaves a heap that is whole, and can be tried again: where it was one request, with success.
    let mut result = machine.run();
    for _ in 0..2 {
        result = result.or_else(|full| {
            assert_eq!(full.cause, FullCause::System, "{full}");
            machine.run()
        });
    }
    let is_done = result.is_ok_and(|found| {
        assert!(found == wanted, "{}\nand not {}", cut(&found), cut(wanted));
        true
    });
    drop(machine);
    drop(mutator);
    drop(globals);
    world.heap.collect();
    for stats in world.heap.type_stats() {
        assert_eq!((stats.allocated - stats.freed, stats.large_objects), (0, 0), "{stats:?}");
    }
    world.heap.recount().expect("the counters are exact");
    (is_done, flaky.requests())
}

/// Goal: a refusal of the system is an error, and breaks nothing. Method: refuse the n-th request, and all from the n-th on, for each n until
/// the program comes to its end without having met one.
#[test]
fn every_refusal_is_survived() {
    let forms = forms(MEMORY);
    let wanted = Reference::new().run(&forms);
    let mut number = 0;
    loop {
        let (is_done, asked) = run_refused(&forms, &wanted, number..number + 1);
        assert!(is_done || asked <= number + 8, "one refusal, number {number} of {asked}, was not survived");
        let (is_done, asked) = run_refused(&forms, &wanted, number..u64::MAX);
        if asked <= number {
            assert!(is_done, "nothing was refused");
            break;
        }
        number += 1;
    }
    assert!(number > 5, "the program asks for memory");
}

/// Takes many megabytes, in small and in large objects, and keeps some.
const MEMORY: &str = "
(define kept (make-array 200 nil))
(define (fill n) (let ((k 0)) (while (< k n)
    (aset! kept (rem (* k 7) 200) (make-array (+ 10 (* 40 (rem k 200))) (cons k nil)))
    (set! k (+ k 1)))))
(fill 300)
(let ((n 0) (sum 0)) (while (< n 200)
    (let ((x (aref kept n))) (if (null? x) nil (set! sum (+ sum (+ (alen x) (car (aref x 3)))))))
    (set! n (+ n 1)))
    sum)
";
