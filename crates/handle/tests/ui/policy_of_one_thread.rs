//! Promise: the pacer asks policies on any thread. Attack: one that holds an `Rc`.

use mudlark::{
    Heap,
    pacing::{AssistAnswer, AssistInputs, AssistPolicy, InProportion, Parts},
};
use std::{cell::Cell, rc::Rc};

#[derive(Debug)]
struct Counting(Rc<Cell<u32>>);

impl AssistPolicy for Counting {
    fn name(&self) -> &'static str {
        "counting"
    }

    fn revise(&self, inputs: &AssistInputs) -> AssistAnswer {
        self.0.set(self.0.get() + 1);
        InProportion.revise(inputs)
    }
}

fn main() {
    let _heap = Heap::builder().pacing(Parts::on(1).with_assist(Counting(Rc::default()))).build();
}
