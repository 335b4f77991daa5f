//! Names of `core` that mean something else in the crate that derives do not take the derive's bounds away.

#![forbid(unsafe_code)]

extern crate self as core;

pub mod marker {
    pub use std::marker::Sized;

    pub trait Send {}

    impl<T: ?Sized> Send for T {}
}

pub mod ops {
    pub trait Drop {}
}

pub mod primitive {
    pub use std::primitive::*;
}

use mudlark::Trace;
use std::rc::Rc;

#[derive(Trace)]
struct NotSend {
    #[trace(skip)]
    shared: Rc<u64>,
}

#[derive(Trace)]
struct Dropped {
    number: u64,
}

impl Drop for Dropped {
    fn drop(&mut self) {}
}

fn main() {}
