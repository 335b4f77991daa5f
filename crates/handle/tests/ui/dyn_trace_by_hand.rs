//! A type that lies about its identity would be taken for another.

use mudlark::{DynTrace, DynVisitor};
use std::any::TypeId;

trait Liar {}

impl DynTrace<'_> for dyn Liar {
    fn dyn_trace(&self, _: &mut DynVisitor) {}

    fn dyn_identity(&self) -> TypeId {
        TypeId::of::<u64>()
    }
}

fn main() {}
