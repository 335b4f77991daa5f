//! The examples, run: a virtual machine in a heap keeps its promises whatever its programs do.

#[path = "../examples/stack_vm"]
mod stack_vm {
    pub(crate) mod code;
    pub(crate) mod machine;
}

use mudlark::{Fuel, GcPercent, Heap, Stopped, Zeal};
use stack_vm::{
    code::assemble,
    machine::{Fault, Outcome, Vm},
};
use std::thread;

const COUNTERS: &str = include_str!("../examples/stack_vm/counters.asm");
const SQUARES: &str = include_str!("../examples/stack_vm/squares.asm");
const HOG: &str = include_str!("../examples/stack_vm/hog.asm");

fn heap(workers: usize) -> Heap {
    let zeal = Zeal { seed: 1, allocations_per_cycle: Some(20), fill_freed: true, ..Zeal::default() };
    Heap::builder().workers(workers).zeal(zeal).verify(true).build().expect("a heap")
}

fn plain() -> Heap {
    Heap::builder().workers(0).build().expect("a heap")
}

fn vm(heap: &Heap, text: &str) -> Vm {
    Vm::new(heap, assemble(text).unwrap_or_else(|error| panic!("{error}")))
}

#[track_caller]
fn returns(heap: &Heap, text: &str, result: &str) {
    let outcome = vm(heap, text).run(&mut Fuel::unlimited());
    assert_eq!(outcome, Ok(Outcome::Returned(result.into())));
    assert_eq!(heap.verify_report().violations, Vec::<String>::new());
}

/// Goal: the machine computes what its programs say, whatever cycles do meanwhile. Method: the programs of the example, under zeal.
#[test]
fn programs_compute() {
    for workers in [0, 1] {
        returns(&heap(workers), COUNTERS, "31");
        returns(&heap(workers), SQUARES, "the sum is 328350");
    }
}

/// Goal: fuel is counted to the instruction, and a program goes on where it stopped. Method: the same program with fuel in portions; the
/// portions add up.
#[test]
fn fuel_is_counted_to_the_instruction() {
    let whole = {
        let mut fuel = Fuel::new(1_000_000);
        vm(&plain(), SQUARES).run(&mut fuel).expect("enough fuel");
        1_000_000 - fuel.left()
    };
    for portion in [1, 2, 7, 255, 256, 257, 1000] {
        let heap = plain();
        let mut vm = vm(&heap, SQUARES);
        let mut used = 0;
        loop {
            let mut fuel = Fuel::new(portion);
            match vm.run(&mut fuel) {
                Err(Stopped::OutOfFuel) => used += portion,
                Err(Stopped::Interrupted) => unreachable!("nobody interrupts"),
                Ok(outcome) => {
                    used += portion - fuel.left();
                    assert_eq!(outcome, Outcome::Returned("the sum is 328350".into()));
                    break;
                }
            }
        }
        assert_eq!(used, whole, "portions of {portion}");
    }
}

/// Goal: a program that catches out-of-memory goes on. Method: it keeps strings until it is refused, twice; with hard limits of several
/// sizes, with pacing and without.
#[test]
fn out_of_memory_is_caught() {
    for (workers, percent) in [(0, 100.into()), (0, GcPercent::Off), (1, 100.into())] {
        for limit in [1 << 20, 2 << 20] {
            let heap = Heap::builder().workers(workers).gc_percent(percent).build().expect("a heap");
            heap.set_hard_limit(limit);
            returns(&heap, HOG, "caught 2");
            assert!(heap.stats().cycles >= 1);
        }
    }
}

/// Goal: an uncaught fault is an outcome. Method: one program for each.
#[test]
fn faults_that_nobody_catches_end_the_program() {
    let heap = heap(0);
    let faults = [
        ("int 1\nstring a\nadd", Fault::Type),
        ("array\nint 0\nelement", Fault::Bounds),
        ("int 9223372036854775807\nint 1\nadd", Fault::Overflow),
        ("closure main 0\ncall 0", Fault::Stack),
        ("again: int 1\njump again", Fault::Stack),
        ("again: try caught\njump again\ncaught: throw", Fault::Thrown),
        ("pop", Fault::Stack),
        ("throw", Fault::Thrown),
        ("try caught\nend_try\nthrow\ncaught: nil\nreturn", Fault::Thrown),
    ];
    for (text, fault) in faults {
        let outcome = vm(&heap, &format!("fn main 0\n{text}")).run(&mut Fuel::new(1_000_000));
        assert_eq!(outcome, Ok(Outcome::Failed(fault)), "{text}");
    }
    heap.set_hard_limit(1 << 20);
    let hog = "fn main 0\nlocal a\narray\nstore a\nmore: load a\nint 1\npush\njump more";
    assert_eq!(vm(&heap, hog).run(&mut Fuel::unlimited()), Ok(Outcome::Failed(Fault::OutOfMemory)));
}

/// Goal: an endless program can be interrupted, and cycles end meanwhile. Method: another thread collects, then interrupts.
#[test]
fn an_endless_program_is_interrupted() {
    for workers in [0, 1] {
        let heap = heap(workers);
        let mut vm = vm(&heap, "fn main 0\nloop: string garbage\npop\njump loop");
        let handle = vm.interrupt_handle();
        thread::scope(|threads| {
            threads.spawn(|| {
                (0..3).for_each(|_| heap.collect());
                handle.interrupt();
            });
            assert_eq!(vm.run(&mut Fuel::unlimited()), Err(Stopped::Interrupted));
        });
        handle.clear();
        assert_eq!(vm.run(&mut Fuel::new(1000)), Err(Stopped::OutOfFuel));
        assert_eq!(heap.verify_report().violations, Vec::<String>::new());
    }
}

/// Goal: what is no program is told. Method: a wrong line, a label that is not there.
#[test]
fn mistakes_are_told_with_their_line() {
    let message = |text: &str| assemble(text).expect_err("a mistake").to_string();
    assert_eq!(message("fn main 0\nnil\nfrob 1"), "line 3: what is `frob 1`");
    assert_eq!(message("fn main 0\njump nowhere"), "line 2: no label `nowhere`");
}
