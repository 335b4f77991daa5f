//! Promise: the collector may drop a value on any thread. Attack: a field that is not `Send`.

use mudlark::Trace;
use std::rc::Rc;

#[derive(Trace)]
struct Shared {
    text: Rc<str>,
}

fn main() {}
