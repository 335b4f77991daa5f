//! The workloads without a collector: the same objects, one block of malloc each, freed by hand as soon as
//! they are done with. Ownership does it all, so this is safe code too. The plans and checksums are those of `workloads`.

pub(crate) mod alloc;
pub(crate) mod gcbench;
pub(crate) mod lists;
pub(crate) mod pusher;
pub(crate) mod splay;
pub(crate) mod trees;
