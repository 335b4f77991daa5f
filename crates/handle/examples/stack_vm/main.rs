//! A stack machine in a heap: closures, strings, arrays, and errors that a script can catch, out-of-memory among them.
//!
//! `code.rs` has the instructions and an assembler, `machine.rs` the machine, whose whole state hangs on one root. It runs in steps:
//! within a budget of fuel, until it is interrupted, and in as few scopes as the collector is content with.
//!
//! `cargo run --example stack_vm` runs the programs below.

#![forbid(unsafe_code)]

mod code;
mod machine;

use code::assemble;
use machine::Vm;
use mudlark::{Fuel, Heap};
use std::{error::Error, thread, time::Duration};

const PROGRAMS: [(&str, &str); 3] = [
    ("two counters", include_str!("counters.asm")),
    ("a hundred squares", include_str!("squares.asm")),
    ("a script that runs out of memory, catches that, and goes on", include_str!("hog.asm")),
];

fn main() -> Result<(), Box<dyn Error>> {
    let heap = Heap::builder().build()?;
    heap.set_hard_limit(4 << 20);
    for (name, text) in PROGRAMS {
        let mut vm = Vm::new(&heap, assemble(text)?);
        let mut fuel = Fuel::new(100_000_000);
        let result = vm.run(&mut fuel)?;
        println!("{name}: {result:?}, {} instructions left", fuel.left());
    }
    let mut forever = Vm::new(&heap, assemble("fn main 0\nloop: jump loop")?);
    let handle = forever.interrupt_handle();
    let timer = thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        handle.interrupt();
    });
    println!("an endless loop: {}", forever.run(&mut Fuel::unlimited()).unwrap_err());
    timer.join().expect("the timer does not panic");
    Ok(())
}
