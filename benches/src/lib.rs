//! Criterion benchmarks of mudlark live in `benches/`; run them with `cargo bench -p mudlark-benches`.
//!
//! - `alloc`: allocation by size and kind.
//! - `mutate`: what a mutator does between allocations: stores with barriers, scopes, roots.
//! - `cycle`: whole collections: marking of a graph, sweeping of garbage.
//!
//! Each runs for a few seconds. A part of a name selects some: `cargo bench -p mudlark-benches -- barrier`.
