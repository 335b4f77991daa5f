//! The torture: random graphs on many threads, compared with a model that knows what must be there.
//!
//! ```text
//!   seed ──▶ plan ──┬──▶ heap: workers, percent, zeal, verifier
//!                   └──▶ thread 0 … T: chooser ──▶ operations on graph and shadow ──▶ fault?
//!                              │   ▲                              │
//!                              ╰───╯ parcels: parts of graphs     ╰── plaza: raced for by all, without a model
//! ```
//!
//! Each thread owns a graph of `node` objects and a `shadow` of it. An operation changes both and checks what it
//! meets on its way; now and then everything is compared. An object carries its name and a check word, so that a cell that was
//! given away too early is seen. At the end nothing may be left, every payload was dropped exactly once, and the heap's own
//! counters agree with a recount.
//!
//! The seed decides which operations each thread does and with which random numbers. When threads meet each other
//! or the collector is the system's affair.

mod census;
mod edges;
mod fault;
mod graph;
mod kinds;
mod ledger;
mod make;
mod node;
mod op;
mod parcel;
mod plan;
mod plaza;
mod report;
mod rewire;
mod run;
mod shadow;
mod thread;
mod work;

pub use fault::Fault;
pub use plan::{TortureRequest, random_seed};
pub use report::TortureReport;
pub use run::run;

#[cfg(test)]
mod tests;
