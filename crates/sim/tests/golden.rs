//! Promise: with the default parts, the pacer is Go's, digit by digit.
//!
//! Method: the scenarios in `golden` were run by the pacer test of Go 1.27's own runtime; the same inputs through the reference
//! engine must give the same cycles.

use mudlark_collector::pacing::{NoAssists, Parts};
use mudlark_sim::{
    json::Json,
    reference::{ReferenceInput, cycles_to_json, run, run_with},
};
use std::{fs, path::Path};

#[test]
fn every_byte_is_that_of_go() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut scenarios = 0;
    for entry in fs::read_dir(folder).expect("the golden scenarios") {
        let path = entry.expect("a file").path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let text = fs::read_to_string(&path).expect("a scenario");
        let expected = Json::parse(&text).expect("JSON").get("expected").expect("cycles").clone();
        let cycles = run(&ReferenceInput::from_json(&text).expect("a scenario")).expect("cycles that end");
        let found = Json::parse(&cycles_to_json(&cycles)).expect("our own JSON");
        compare(&path, expected.list().expect("a list"), found.list().expect("a list"));
        scenarios += 1;
    }
    assert_eq!(scenarios, 10);
}

fn compare(path: &Path, expected: &[Json], found: &[Json]) {
    assert_eq!(expected.len(), found.len());
    for (expected, found) in expected.iter().zip(found) {
        let key = |json: &Json, key| json.get(key).and_then(Json::number).expect("a number");
        let place = format!("{}: expected {expected:?}, found {found:?}", path.display());
        for bytes in ["cycle", "live_at_start_bytes", "trigger_bytes", "peak_bytes", "goal_bytes"] {
            assert_eq!(key(expected, bytes), key(found, bytes), "{bytes} in {place}");
        }
        let error = key(expected, "utilization_percent") - key(found, "utilization_percent");
        assert!(error.abs() <= 0.1 + 1e-9, "{place}");
    }
}

/// Goal: the test above can fail. Method: the same cycles with one part replaced, or one input moved by a byte.
#[test]
fn other_rules_give_other_cycles() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/SteadyBigStacks.json");
    let text = fs::read_to_string(path).expect("a scenario");
    let input = ReferenceInput::from_json(&text).expect("a scenario");
    let usual = run(&input).expect("cycles that end");
    let mut other = Vec::new();
    let parts = Parts::on(input.cores).with_assist(NoAssists);
    run_with(&input, parts, |cycle, _| other.push(*cycle)).expect("cycles that end");
    assert_ne!(usual, other);
    let moved = ReferenceInput { globals: input.globals + 1, ..input };
    assert_ne!(usual, run(&moved).expect("cycles that end"));
}
