# The jobs of .ci/run, one by one, as plain lines. `just` lists them.

set shell := ["bash", "-euo", "pipefail", "-c"]

list:
    @just --list --unsorted

# Everything that must hold before a change goes in
ci:
    .ci/run

# All tests: unit, integration, documentation, compile-fail
test *args:
    cargo test --workspace --all-features {{ args }}

# Formatting and lints
lint:
    @cargo fmt --version >/dev/null || { echo "rustfmt is missing: rustup component add rustfmt"; exit 1; }
    @cargo clippy --version >/dev/null || { echo "clippy is missing: rustup component add clippy"; exit 1; }
    cargo fmt --all --check
    cargo clippy --workspace --all-targets --all-features -- -D warnings

# The documentation of the code
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --all-features --no-deps

# Every order of steps of the small models, with at most two preemptions
loom:
    .ci/run loom

# The same with three preemptions: takes long
loom-full preemptions="3":
    RUSTFLAGS="--cfg loom" LOOM_MAX_PREEMPTIONS={{ preemptions }} LOOM_MAX_BRANCHES=100000 cargo test --release -p mudlark-arena -p mudlark-collector --target-dir target/loom --lib --tests

# Every order of steps of the protocol, in the large scenes too: some minutes, 2 GiB
model:
    MUDLARK_MODEL_CONTROL=1 cargo test --release -p mudlark-model -- --include-ignored --nocapture

# The tests and some torture under AddressSanitizer, with dead cells poisoned
asan:
    .ci/run asan

# Workloads and torture under ThreadSanitizer
tsan:
    .ci/run tsan

# Random object graphs on many threads
torture seconds="60" threads="8" *args:
    cargo run --release -- torture --seconds {{ seconds }} --threads {{ threads }} {{ args }}

# Random programs against the model
fuzz seconds="60":
    @command -v g++ >/dev/null || { echo "g++ is missing: libFuzzer is built with it"; exit 1; }
    @cargo fuzz --version >/dev/null 2>&1 || { echo "cargo-fuzz is missing: cargo install cargo-fuzz --locked"; exit 1; }
    mkdir -p fuzz/corpus-work
    RUSTC_BOOTSTRAP=1 cargo fuzz run ops fuzz/corpus-work fuzz/corpus/ops -- -max_total_time={{ seconds }} -max_len=4096 -timeout=20

# Benchmarks; give a name to run only some
bench *args:
    cargo bench -p mudlark-benches {{ args }}

# The book, in docs/book
book:
    @command -v mdbook >/dev/null || { echo "mdbook is missing: cargo install mdbook --locked"; exit 1; }
    mdbook build docs

# What GC percent trades, as a table
sweep rounds="3":
    benches/sweep {{ rounds }}

# Pacing on the real heap against the simulator, on two cores that have nothing else to do: a minute
replay *args="--check":
    @command -v taskset >/dev/null || { echo "taskset is missing: install util-linux, or run on a machine with two cores"; exit 1; }
    cargo build --release
    taskset -c 0,1 target/release/mudlark replay {{ args }}

# A workload on mudlark and on malloc in turn: just compare trees
compare workload *args:
    benches/compare {{ workload }} {{ args }}
