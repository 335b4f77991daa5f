//! Promise: the collector may drop a value on any thread. Attack: wrap a parameter in what is not `Send`.

use mudlark::Trace;
use std::rc::Rc;

#[derive(Trace)]
struct Shared<T> {
    #[trace(skip)]
    value: Rc<T>,
}

fn main() {}
