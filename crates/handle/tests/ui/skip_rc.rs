//! Promise: the collector may drop a value on any thread. Attack: skip a field that is not `Send`.

use mudlark::Trace;
use std::rc::Rc;

#[derive(Trace)]
enum Shared {
    Nothing,
    Text {
        #[trace(skip)]
        text: Rc<str>,
    },
}

fn main() {}
