//! A crate that is passed off as mudlark, with mudlark's own `Trace` in it, does not take the derive's bounds away.

#![forbid(unsafe_code)]

mod hostile {
    pub use mudlark::{Rebrand, Trace};

    pub mod trace {
        pub use mudlark::trace::Visitor;

        pub trait MustNotImplDrop {
            const IS_DERIVED: bool;
        }
    }
}

use mudlark::Trace;
use std::rc::Rc;

#[derive(Trace)]
#[trace(crate = hostile)]
struct NotSend {
    #[trace(skip)]
    shared: Rc<u64>,
}

#[derive(Trace)]
#[trace(crate = hostile)]
struct NotDerived {
    number: u64,
}

fn main() {}
