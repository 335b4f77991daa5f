//! Promise: nothing but a root goes from step to step. Attack: a pointer in a variable of the loop.

use mudlark::{Fuel, Gc, Heap};
use std::ops::ControlFlow::Continue;

fn main() {
    let heap = Heap::builder().build().unwrap();
    let mut last: Option<Gc<'_, u64>> = None;
    let _ = heap.attach().enter_loop(&mut Fuel::new(2), |cx, _| {
        println!("{last:?}");
        last = Some(cx.alloc(1_u64));
        Continue::<()>(())
    });
}
