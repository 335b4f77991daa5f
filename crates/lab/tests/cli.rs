//! The command line from the outside: what it prints, where, and with which exit code.

mod support;

use support::{Json, mudlark};

/// A scale for each workload at which it takes a blink, and the checksum that follows from its definition.
const SMALL: [(&str, &str, f64); 7] = [
    // 5 short-lived trees of each depth at the deep end: what rounding leaves of the iterations.
    ("trees", "0.001", TREES_AT_1_1000),
    ("gcbench", "0.0005", 524_287.0),
    ("pusher", "0.001", PUSHER_AT_1_1000),
    ("graph", "0.001", 8000.0 * 7999.0 / 2.0),
    ("alloc", "0.001", 200_000.0),
    ("splay", "0.0005", 400.0),
    ("lists", "0.001", 1000.0 * 999.0 / 2.0),
];

/// Stretch and long-lived tree, then `max(1, round(2^(22-d) / 1000))` trees of depth d.
const TREES_AT_1_1000: f64 =
    (1_048_575 + 524_287 + 262 * 31 + 66 * 127 + 16 * 511 + 4 * 2047 + 8191 + 32_767 + 131_071 + 524_287)
        as f64;

/// The ids 3800 to 3999, each as a byte.
const PUSHER_AT_1_1000: f64 = {
    let (mut id, mut sum) = (3800_u32, 0);
    while id < 4000 {
        sum += id % 256;
        id += 1;
    }
    sum as f64
};

/// Runs a line that must succeed, and returns its only output.
fn run_json(line: &str) -> Json {
    let output = mudlark(line);
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{line}: {stderr}");
    assert_eq!(stderr, "", "{line}");
    assert_eq!(stdout.lines().count(), 1, "{line}: {stdout}");
    Json::parse(stdout.trim_end())
}

/// Runs a line that must fail with a message and nothing else, and returns the message.
fn run_failing(line: &str, code: i32) -> String {
    let output = mudlark(line);
    let stderr = String::from_utf8(output.stderr).expect("messages are UTF-8");
    assert_eq!(output.status.code(), Some(code), "{line}: {stderr}");
    assert!(output.stdout.is_empty(), "{line}");
    assert!(stderr.starts_with("error: "), "{line}: {stderr}");
    assert!(!stderr.contains("panicked"), "{line}: {stderr}");
    stderr
}

fn check_keys(json: &Json, workload: &str) {
    for key in ["threads", "seconds", "cpu_s", "checksum", "peak_rss_kb", "scale", "objects"] {
        assert!(json.number(key) >= 0.0, "{workload} {key}");
    }
    assert!(json.number("seconds") > 0.0 && json.number("peak_rss_kb") > 0.0, "{json:?}");
    assert_eq!(*json.get("workload"), Json::Text(workload.to_owned()));
    assert_eq!(*json.get("checksum_ok"), Json::Flag(true));
    let is_timed_singly = ["pusher", "splay"].contains(&workload);
    assert_eq!(json.find("latency_us").is_some(), is_timed_singly, "{workload}");
    if is_timed_singly {
        let latency = json.get("latency_us");
        let steps = ["p50", "p99", "p999", "p9999", "max"].map(|key| latency.number(key));
        assert!(steps.is_sorted() && steps[0] > 0.0, "{workload} {steps:?}");
    }
    let rates: &[&str] = match workload {
        "alloc" => &["ns_per_object"],
        "lists" => &["ns_per_write"],
        "graph" => &["full_gc_ms_median", "ns_per_live_object", "live_mb_per_s"],
        _ => &[],
    };
    for key in rates {
        assert!(json.number(key) > 0.0, "{workload} {key}");
    }
}

/// Goal: each workload does its whole work on the collected heap. Method: the checksum at a small scale.
#[test]
fn every_workload_runs_on_mudlark() {
    for (workload, scale, checksum) in SMALL {
        let json = run_json(&format!("run {workload} --scale {scale} --json"));
        assert_eq!(*json.get("impl"), Json::Text("mudlark".to_owned()));
        assert_eq!(json.number("checksum"), checksum, "{workload}");
        check_keys(&json, workload);
        let gc = json.get("gc");
        for key in ["cycles", "pause_max_us", "pause_total_us", "cpu_fraction", "live_bytes", "goal_bytes"] {
            assert!(gc.number(key) >= 0.0, "{workload} {key}");
        }
    }
}

/// Goal: the hand-freed twins do the same work. Method: the same checksums.
#[test]
fn every_workload_but_graph_runs_on_malloc() {
    for (workload, scale, checksum) in SMALL {
        if workload == "graph" {
            continue;
        }
        let json = run_json(&format!("run {workload} --heap malloc --scale {scale} --json"));
        assert_eq!(*json.get("impl"), Json::Text("malloc".to_owned()));
        assert_eq!(json.number("checksum"), checksum, "{workload}");
        assert_eq!(json.find("gc"), None);
        check_keys(&json, workload);
    }
}

#[test]
fn two_threads_share_the_work_of_trees_and_alloc() {
    for (workload, scale, checksum) in SMALL {
        if !["trees", "alloc"].contains(&workload) {
            continue;
        }
        for heap in ["mudlark", "malloc"] {
            let line = format!("run {workload} --threads 2 --heap {heap} --scale {scale} --json");
            let json = run_json(&line);
            assert_eq!(json.number("threads"), 2.0);
            assert_eq!(json.number("checksum"), checksum, "{line}");
        }
    }
}

/// Goal: the knobs of the heap reach it. Method: runs that collect often, never, and without a background thread.
#[test]
fn the_knobs_of_the_heap_are_served() {
    for knobs in ["--gc-percent 25", "--gc-percent off", "--workers 0", "--workers 1 --max-heap 1GiB"] {
        let json = run_json(&format!("run alloc --scale 0.001 --json {knobs}"));
        assert_eq!(json.number("checksum"), 200_000.0, "{knobs}");
    }
}

#[test]
fn the_default_output_is_a_text_to_read() {
    let output = mudlark("run alloc --scale 0.001");
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).expect("the report is UTF-8");
    for part in
        ["alloc on mudlark, 1 thread, scale 0.001", "ns per object", "peak memory", "200000, as it must be"]
    {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
}

#[test]
fn the_list_names_every_workload() {
    let output = mudlark("list");
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).expect("the list is UTF-8");
    let names: Vec<_> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, SMALL.map(|(workload, ..)| workload));
}

/// Goal: a bad argument is refused before any work, with what was asked and what helps.
#[test]
fn bad_arguments_are_explained() {
    let cases = [
        ("run tress", "'trees'"),
        ("run", "<WORKLOAD>"),
        ("walk", "walk"),
        ("run trees --bogus", "--bogus"),
        ("run trees --threads 0", "from 1 to 64"),
        ("run trees --threads -2", "from 1 to 64"),
        ("run trees --threads many", "from 1 to 64"),
        ("run trees --workers 100000", "from 0 to 256"),
        ("run trees --gc-percent lots", "such as 100, or off"),
        ("run trees --gc-percent -5", "such as 100, or off"),
        ("run trees --max-heap 0", "at least 1 MiB"),
        ("run trees --max-heap 64KiB", "at least 1 MiB"),
        ("run trees --max-heap 1GB", "'GB' is not a unit"),
        ("run trees --max-heap 1.5GiB", "such as 512MiB"),
        ("run trees --max-heap -1", "such as 512MiB"),
        ("run trees --max-heap 99999999999TiB", "larger than any address space"),
        ("run trees --memory-limit 0", "try 64MiB"),
        ("run trees --memory-limit 64KiB", "try 64MiB"),
        ("run trees --memory-limit 1GB", "'GB' is not a unit"),
        ("run trees --policy magic", "names no policy"),
        ("run trees --policy fixed", "fixed:64MiB"),
        ("run trees --gc-percent 50 --policy percent:100", "leave one of them out"),
        ("run trees --gc-percent 50 --policy none", "leave one of them out"),
        ("run trees --scale 0", "above 0"),
        ("run trees --scale -1", "above 0"),
        ("run trees --scale nan", "above 0"),
        ("run trees --scale inf", "above 0"),
        ("run trees --scale 1e9", "at most 1000"),
        ("run trees --heap glibc", "malloc"),
        ("run splay --threads 2", "defined for one thread"),
        ("run lists --threads 2 --heap malloc", "defined for one thread"),
        ("run graph --heap malloc", "malloc has none"),
        ("run trees --heap malloc --max-heap 1GiB", "--max-heap"),
        ("run trees --heap malloc --gc-percent 50", "--gc-percent"),
        ("run trees --heap malloc --workers 1", "--workers"),
        ("run trees --heap malloc --memory-limit 1GiB", "--memory-limit"),
        ("run trees --heap malloc --policy percent", "--policy"),
        ("run trees --heap malloc --explain", "--explain"),
    ];
    for (line, remedy) in cases {
        let message = run_failing(line, 2);
        assert!(message.contains(remedy), "{line}: no {remedy:?} in {message}");
    }
}

/// Goal: a memory limit is held, and reported. Method: a workload with little that lives, far below what it takes without a
/// limit.
#[test]
fn a_memory_limit_paces() {
    let free = run_json("run trees --scale 0.001 --gc-percent off --json");
    assert_eq!(*free.get("gc").get("memory_limit_bytes"), Json::Null);
    let limited = run_json("run trees --scale 0.001 --gc-percent off --memory-limit 20MiB --json");
    let (free, limited) = (free.get("gc"), limited.get("gc"));
    assert_eq!(limited.number("memory_limit_bytes"), f64::from(20 << 20));
    assert!(limited.number("goal_bytes") <= f64::from(20 << 20), "{limited:?}");
    assert!(limited.find("effective_gc_percent").is_some(), "{limited:?}");
    assert!(limited.number("cycles") > free.number("cycles"), "{limited:?} {free:?}");
    assert_eq!(limited.find("external_bytes"), None);
}

/// Goal: all policies of the simulator pace real heaps. Method: a run with each, and what each promises of goals and cycles.
#[test]
fn policies_pace() {
    let run = |policy| run_json(&format!("run trees --scale 0.001 --policy {policy} --json"));
    for policy in ["percent", "percent:50", "no-assists", "sqrt:0.3", "share:4%"] {
        let json = run(policy);
        check_keys(&json, "trees");
        assert!(json.get("gc").number("cycles") >= 1.0, "{policy}: {json:?}");
    }
    let fixed = run("fixed:64MiB");
    assert_eq!(fixed.get("gc").number("goal_bytes"), f64::from(64 << 20));
    for policy in ["none", "percent:off"] {
        let json = run(policy);
        assert_eq!(json.get("gc").number("cycles"), 0.0, "{policy}: {json:?}");
    }
}

/// Goal: a run can be explained. Method: the numbers of the cycles in the lines follow each other and end with the last; the
/// same in text and JSON; no line without being asked.
#[test]
fn a_run_is_explained() {
    let json = run_json("run trees --scale 0.001 --memory-limit 48MiB --explain --json");
    let Json::Array(lines) = json.get("explain") else { panic!("{json:?}") };
    let mut cycles = Vec::new();
    for line in lines {
        let Json::Text(line) = line else { panic!("{line:?}") };
        let (cycle, _) = line.strip_prefix("cycle ").and_then(|line| line.split_once(": ")).expect(line);
        cycles.push(cycle.parse::<u64>().expect(line));
    }
    cycles.dedup();
    assert!(cycles.is_sorted_by(|one, two| one + 1 == *two), "{cycles:?}");
    assert_eq!(cycles.last().map(|&last| last as f64), Some(json.get("gc").number("cycles")));

    let output = mudlark("run trees --scale 0.001 --memory-limit 48MiB --explain");
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    for part in ["memory limit 48 MiB\n", "\ncycle 1: goal ", "; trigger ", ": began at ", ": finished at "] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    assert!(run_json("run trees --scale 0.001 --json").find("explain").is_none());
}

#[test]
fn a_heap_that_no_address_space_holds_gets_what_there_is() {
    let json = run_json("run trees --scale 0.001 --max-heap 1000000TiB --json");
    check_keys(&json, "trees");
}

/// Goal: a workload that does not fit says so, and names the knob. Method: the long-lived data of each is too
/// large for the heap.
#[test]
fn a_full_heap_is_explained() {
    for line in ["run trees --max-heap 2MiB", "run gcbench --max-heap 4MiB", "run splay --max-heap 4MiB"] {
        let message = run_failing(line, 1);
        for part in ["cannot finish", "the heap is full", "MiB", "raise --max-heap"] {
            assert!(message.contains(part), "{line}: no {part:?} in {message}");
        }
    }
}

#[test]
fn help_names_every_knob() {
    let output = mudlark("run --help");
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).expect("the help is UTF-8");
    let knobs = [
        "--threads",
        "--gc-percent",
        "--max-heap",
        "--memory-limit",
        "--policy",
        "--workers",
        "--scale",
        "--heap",
        "--explain",
        "--json",
    ];
    for knob in knobs {
        assert!(text.contains(knob), "no {knob} in {text}");
    }
}
