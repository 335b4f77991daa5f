//! The torture from the outside: its arguments, its output, and what its seed repeats.

mod support;

use support::{Json, mudlark};

/// Runs a line that must find nothing wrong. Beside the answer it tells the seed, in case that the process dies.
fn run_json(line: &str) -> Json {
    let output = mudlark(line);
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{line}: {stderr}");
    assert!(stderr.starts_with("torture with --seed ") && stderr.lines().count() == 1, "{line}: {stderr}");
    assert_eq!(stdout.lines().count(), 1, "{line}: {stdout}");
    Json::parse(stdout.trim_end())
}

#[test]
fn the_json_tells_what_was_done() {
    let json = run_json("torture --seconds 1 --threads 2 --seed 7 --workers 1 --live 128KiB --json");
    for key in
        ["ops", "objects", "cycles", "verified_cycles", "verified_objects", "rss_warm_kb", "rss_end_kb"]
    {
        assert!(json.number(key) > 0.0, "{key}");
    }
    assert_eq!(*json.get("workload"), Json::Text("torture".to_owned()));
    for (key, value) in [("seed", 7.0), ("threads", 2.0), ("workers", 1.0), ("violations", 0.0)] {
        assert_eq!(json.number(key), value, "{key}");
    }
    assert!(json.number("seconds") >= 1.0);
    let keys = [
        "payloads",
        "heap_full",
        "unverified_cycles",
        "safepoints",
        "safepoint_p50_us",
        "safepoint_p99_us",
        "safepoint_max_us",
        "safepoint_work_p99_us",
        "safepoint_work_max_us",
    ];
    for key in keys {
        assert!(json.number(key) >= 0.0, "{key}");
    }
    assert!(json.get("ops_by_kind").number("make") > 0.0);
    assert!(matches!(json.get("zeal").get("yields"), Json::Flag(_)));
}

/// Goal: a seed repeats what a thread does. Method: runs that end by count, with the same seed and with another one.
#[test]
fn a_seed_repeats_the_operations_of_a_thread() {
    let run = |seed| {
        let json = run_json(&format!(
            "torture --seconds 60 --threads 1 --ops 4000 --seed {seed} --live 128KiB --verify off --json"
        ));
        assert!(json.number("ops") >= 4000.0 && json.number("seconds") < 60.0, "{json:?}");
        json
    };
    let [one, two, other] = [11, 11, 12].map(run);
    assert_eq!(one.get("ops_by_kind"), two.get("ops_by_kind"));
    assert_eq!(one.get("zeal"), two.get("zeal"));
    assert_ne!(one.get("ops_by_kind"), other.get("ops_by_kind"));
}

#[test]
fn the_default_output_is_a_text_to_read() {
    let output = mudlark("torture --seconds 1 --threads 2 --live 128KiB --zeal on --gc-percent 50");
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).expect("the report is UTF-8");
    for part in
        ["2 threads, seed", "nothing wrong", "GC percent 50", "zeal: a cycle per", "0 violations", "warm-up"]
    {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
}

/// Goal: a bad argument is refused before any work, with what helps.
#[test]
fn bad_arguments_are_explained() {
    let cases = [
        ("torture --threads 0", "from 1 to 64"),
        ("torture --threads 65", "from 1 to 64"),
        ("torture --seconds 0", "from 1 to 604800"),
        ("torture --seconds forever", "from 1 to 604800"),
        ("torture --seed x", "--seed"),
        ("torture --ops -1", "--ops"),
        ("torture --workers 300", "from 0 to 256"),
        ("torture --gc-percent lots", "such as 100, or off"),
        ("torture --max-heap 0", "at least 1 MiB"),
        ("torture --live 1", "from 16 KiB to 1 GiB"),
        ("torture --live huge", "such as 512MiB"),
        ("torture --zeal some", "off"),
        ("torture --verify maybe", "off"),
        ("torture trees", "trees"),
    ];
    for (line, remedy) in cases {
        let output = mudlark(line);
        let message = String::from_utf8(output.stderr).expect("messages are UTF-8");
        assert_eq!(output.status.code(), Some(2), "{line}: {message}");
        assert!(output.stdout.is_empty() && message.starts_with("error: "), "{line}: {message}");
        assert!(message.contains(remedy), "{line}: no {remedy:?} in {message}");
    }
}
