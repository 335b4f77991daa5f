//! A tree walker in a heap: recursive Rust that keeps what it needs in [`mudlark::Local`]s, and enters a short scope for each piece of
//! work. However deep it is, a cycle can end between any two pieces.
//!
//! `syntax.rs` reads expressions into the heap, `walk.rs` evaluates them.
//!
//! `cargo run --example tree_walker` runs the programs below.

#![forbid(unsafe_code)]

mod syntax;
mod walk;

use mudlark::Heap;
use std::error::Error;
use walk::run;

const PROGRAMS: [&str; 3] = [
    "(let square (fn n (* n n)) (call square 12))",
    "(let factorial (fn n (if (< n 2) 1 (* n (call factorial (- n 1))))) (call factorial 20))",
    "(let adder (fn a (fn b (+ a b))) (call (call adder 40) 2))",
];

fn main() -> Result<(), Box<dyn Error>> {
    let heap = Heap::builder().build()?;
    let mut mutator = heap.attach();
    for program in PROGRAMS {
        println!("{program} = {:?}", run(&mut mutator, program)?);
    }
    Ok(())
}
