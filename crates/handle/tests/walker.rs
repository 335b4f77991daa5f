//! The tree walker among the examples, run.

#[path = "../examples/tree_walker"]
mod tree_walker {
    pub(crate) mod syntax;
    pub(crate) mod walk;
}

use mudlark::{Heap, Zeal};
use tree_walker::{syntax::Fault, walk::run};

const FIBONACCI: &str =
    "(let fib (fn n (if (< n 2) n (+ (call fib (- n 1)) (call fib (- n 2))))) (call fib 11))";

/// Goal: recursive code that holds locals computes what it should, whatever cycles do between its scopes. Method: programs under zeal and
/// the verifier.
#[test]
fn programs_compute() {
    for workers in [0, 1] {
        let zeal = Zeal { seed: 1, allocations_per_cycle: Some(7), fill_freed: true, ..Zeal::default() };
        let heap = Heap::builder().workers(workers).zeal(zeal).verify(true).build().expect("a heap");
        let mut mutator = heap.attach();
        assert_eq!(run(&mut mutator, FIBONACCI), Ok(89));
        assert_eq!(run(&mut mutator, "(let a 1 (let f (fn b (+ a b)) (let a 5 (call f a))))"), Ok(6));
        // A background thread may be late for all of it.
        assert!(workers > 0 || heap.stats().cycles > 20, "{:?}", heap.stats());
        assert_eq!(heap.verify_report().violations, Vec::<String>::new());
        drop(mutator);
        heap.collect();
    }
}

/// Goal: faults come out of any depth, and leave nothing behind. Method: one program for each; afterwards the heap is empty.
#[test]
fn faults_come_out_of_any_depth() {
    let heap = Heap::builder().workers(0).build().expect("a heap");
    let mut mutator = heap.attach();
    let faults = [
        ("(call (fn a (+ a b)) 1)", Fault::Unbound("b".into())),
        ("(+ 1 (fn a a))", Fault::NoNumber),
        ("(call 1 2)", Fault::NoFunction),
        ("(* 9223372036854775807 2)", Fault::Overflow),
        ("(let f (fn n (call f n)) (call f 1))", Fault::TooDeep),
        ("(+ 1", Fault::Syntax("the end".into())),
        ("(frob 1)", Fault::Syntax("frob".into())),
    ];
    for (program, fault) in faults {
        assert_eq!(run(&mut mutator, program), Err(fault), "{program}");
    }
    heap.collect();
    assert_eq!(heap.stats().live_bytes, 0);
}
