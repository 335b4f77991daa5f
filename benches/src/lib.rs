//! Criterion benchmarks of mudlark live in `benches/`; run them with `cargo bench -p mudlark-benches`.
