//! The command `replay` from the outside: short runs, and no verdict on timing.

mod support;

use support::{Json, mudlark, refused};

/// Goal: both sides of a replay are told, and the live set is whole at its end. Method: a fraction of a second of some scenarios;
/// a damaged live set would end the run with an error.
#[test]
fn both_sides_are_told() {
    for name in ["steady-2", "limit-80-2", "external-burst", "step-scannable", "big-objects", "ramp-up"] {
        let output = mudlark(&format!("replay {name} --seconds 0.3 --json"));
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && stderr.is_empty(), "{name}: {stderr}");
        assert_eq!(stdout.lines().count(), 1, "{name}");
        let json = Json::parse(stdout.trim_end());
        assert_eq!(*json.get("scenario"), Json::Text(name.to_owned()));
        for key in ["seconds", "allocated_bytes", "cores", "threads"] {
            assert!(json.number(key) > 0.0, "{name}: {key}");
        }
        let keys =
            ["cycles", "goal_ratio_mean", "mark_cpu_s", "background_percent", "mutator_percent_min_2s"];
        for key in keys {
            assert!(json.get("real").number(key) >= 0.0, "{name}: {key}");
            assert!(json.get("simulated").number(key) >= 0.0, "{name}: {key}");
        }
        assert!(json.get("real").number("mutator_cpu_s") > 0.0, "{name}");
    }
}

#[test]
fn the_text_has_a_line_for_each_number() {
    let output = mudlark("replay jitter-2 --seconds 0.2 --seed 3 --churn 0");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(output.status.success());
    for word in
        ["real", "simulated", "error", "cycles", "peak/goal", "marking, CPU time", "resident, at most"]
    {
        assert!(text.contains(word), "{word}: {text}");
    }
}

#[test]
fn what_cannot_be_replayed_is_refused_with_the_way_out() {
    assert!(refused("replay nothing").contains("`mudlark sim --list` names them"));
    assert!(refused("replay nothing --check").contains("no such scenario"));
    assert!(refused("replay big-stacks").contains("this heap scans neither"));
    assert!(refused("replay late-end").contains("simulate it with `mudlark sim late-end`"));
    assert!(refused("replay steady --check").contains("check one of steady-2, "));
    assert!(refused("replay").contains("<SCENARIO>"));
    assert!(refused("replay steady-2 --check --seconds 1").contains("cannot be used with"));
    assert!(refused("replay steady-2 --seconds 0").contains("use a number from 0.1"));
    assert!(refused("replay steady-2 --seconds nan").contains("use a number from 0.1"));
    if cfg!(debug_assertions) {
        assert!(refused("replay steady-2 --check").contains("build with --release"));
    }
}
