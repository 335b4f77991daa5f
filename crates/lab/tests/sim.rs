//! The commands `sim` and `explain` from the outside.

mod support;

use mudlark_sim::{json::Json, scenarios};
use std::{fs, path::PathBuf};
use support::{mudlark, refused};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../sim/tests/golden");

/// Runs a line that must succeed, and returns its output.
fn run(line: &str) -> String {
    let output = mudlark(line);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.is_empty(), "{line}: {stderr}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// A file that is gone when the test ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, text: impl AsRef<[u8]>) -> Scratch {
        let path = std::env::temp_dir().join(format!("mudlark-sim-{}-{name}", std::process::id()));
        fs::write(&path, text).expect("a file for the test");
        Scratch(path)
    }

    fn name(&self) -> &str {
        self.0.to_str().expect("UTF-8")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Goal: a golden file gives its golden cycles, as a whole file or as its input alone. Method: the command, and all
/// numbers of one file.
#[test]
fn a_file_gives_its_cycles() {
    let file = format!("{GOLDEN}/StepAlloc.json");
    let text = fs::read_to_string(&file).expect("a golden file");
    let golden = Json::parse(&text).expect("JSON");
    let expected = golden.get("expected").expect("cycles");
    let whole = run(&format!("sim --file {file} --json"));
    assert_eq!(whole.lines().count(), 1);
    assert_eq!(&Json::parse(&whole).expect("JSON"), expected, "utilization, too, to its one digit");
    let begin = text.find("{\"gc_percent\"").expect("the input");
    let end = begin + text[begin..].find('}').expect("its end") + 1;
    let input = Scratch::new("input.json", &text[begin..end]);
    assert_eq!(run(&format!("sim --file {} --json", input.name())), whole);
    assert_eq!(run(&format!("sim --file {file} --csv")).lines().count(), 101);
    assert!(run(&format!("sim --file {file}")).contains("49,193,394"));
    let explained = run(&format!("explain --file {GOLDEN}/Steady.json --cycle 30"));
    let sketch = "goal 41,813,836 = live 20,886,438 + (20,886,438 + stacks 8,192 + globals 32,768) x 100%; runway 1,844,883";
    assert!(explained.starts_with(sketch), "{explained}");
    assert!(explained.contains("unclamped in [35,600,988 .. 40,832,828]"), "{explained}");
}

/// Goal: every scenario runs in every form. Method: all names of the list.
#[test]
fn every_scenario_runs() {
    let list = run("sim --list");
    assert_eq!(list.lines().count(), scenarios::names().count());
    for (name, _) in scenarios::names() {
        assert!(list.contains(name));
        let text = run(&format!("sim {name} --cycles 15"));
        assert!(text.contains("peak/goal") && text.contains("live `.`"), "{text}");
        assert!(run(&format!("explain {name} --cycle 2")).starts_with("goal "), "{name}");
    }
}

/// Goal: forms for programs are whole. Method: cycles counted in each.
#[test]
fn forms_for_programs_are_whole() {
    let json =
        Json::parse(&run("sim steady --cycles 30 --policy percent --policy sqrt:0.3 --json")).expect("JSON");
    let runs = json.get("runs").and_then(Json::list).expect("runs");
    assert_eq!(runs.len(), 2);
    for run in runs {
        assert_eq!(run.get("cycles").and_then(Json::list).expect("cycles").len(), 30);
        assert_eq!(run.get("summary").and_then(|s| s.get("cycles")).and_then(Json::whole), Some(30));
    }
    let csv = run("sim steady --cycles 30 --sweep gc_percent=50..200:log3 --csv");
    assert_eq!(csv.lines().count(), 91);
    let columns = csv.lines().next().expect("a head").split(',').count();
    assert!(csv.lines().all(|line| line.split(',').count() == columns));
    assert_eq!(run("sim jitter --seed 3 --json"), run("sim jitter --seed 3 --json"));
    assert_ne!(run("sim jitter --seed 3 --json"), run("sim jitter --seed 4 --json"));
    let sweep = run("sim steady --sweep gc_percent=25..400:log5");
    assert_eq!(sweep.lines().count(), 8, "{sweep}");
}

/// Goal: bad input is told, with code 2. Method: mistakes of all kinds.
#[test]
fn mistakes_are_told() {
    let lines = [
        "sim",
        "sim nothing",
        "sim steady --policy magic",
        "sim steady --policy sqrt:0",
        "sim steady --sweep gc_percent=1..2",
        "sim steady --sweep magic=1..2:log3",
        "sim steady --cycles 0",
        "sim steady --cycles -1",
        "sim steady --cycles 99999999999",
        "sim steady --seed x",
        "sim steady --json --csv",
        "sim steady --list",
        "sim steady --file x.json",
        "sim --file",
        "sim --file /nowhere/x.json",
        "sim --file /",
        "explain steady",
        "explain steady --cycle 0",
        "explain --cycle 1",
        "explain nothing --cycle 1",
        "explain idle --cycle 1000",
        "explain --file /nowhere/x.json --cycle 1",
    ];
    for line in lines {
        refused(line);
    }
    assert!(refused("sim nothing").contains("mudlark sim --list"));
    assert!(
        refused(&format!("sim --file {GOLDEN}/Steady.json --sweep gc_percent=25..50:log2"))
            .contains("--sweep")
    );
    assert!(refused(&format!("sim --file {GOLDEN}/Steady.json --cycles 51")).contains("end after 50"));
    assert!(refused(&format!("explain --file {GOLDEN}/Steady.json --cycle 51")).contains("after 50 cycles"));
}

/// Goal: files that are no scenarios are told, with code 2. Method: mistakes in a golden file, and no text at all.
#[test]
fn files_that_are_no_scenarios_are_told() {
    let good = fs::read_to_string(format!("{GOLDEN}/Steady.json")).expect("a golden file");
    let mistakes = [
        ("\"cores\":8", "\"cores\":0", "`cores` must be"),
        ("\"cores\":8", "\"cores\":8.5", "`cores` must be"),
        ("\"cores\":8,", "", "lacks `cores`"),
        ("\"cycles\":50", "\"cycles\":49", "has 50 values"),
        ("33.0,", "\"x\",", "value 1 of `alloc_rate`"),
        ("33.0,", "-33.0,", "value 1 of `alloc_rate`"),
        ("33.0,", "1e999,", "too large"),
        ("33.0,", "NaN,", "here should be a value"),
        ("33.0,", "33.0,,", "here should be a value"),
        ("\"gc_percent\":100", "\"gc_percent\":\"100\"", "`gc_percent` must be"),
        ("\"gc_percent\":100", "\"gc_percent\":-100", "`gc_percent` must be"),
        ("\"gc_percent\":100", "\"gc_percent\":100,\"gc_percent\":100", "was there before"),
        ("{\"name\"", "[{\"name\"", "here should be `,` or `]`"),
    ];
    for (at, (right, wrong, message)) in mistakes.into_iter().enumerate() {
        let file = Scratch::new(&format!("bad-{at}.json"), good.replacen(right, wrong, 1));
        let told = refused(&format!("sim --file {} --json", file.name()));
        assert!(told.contains(message), "{wrong}: {told}");
    }
    for (at, bytes) in
        [&b""[..], b"\xff\xfe", b"null", b"[]", b"{}", b"{\"input\":7}"].into_iter().enumerate()
    {
        let file = Scratch::new(&format!("odd-{at}.json"), bytes);
        refused(&format!("sim --file {}", file.name()));
        refused(&format!("explain --file {} --cycle 1", file.name()));
    }
    // A cycle that would take for ever.
    let growth =
        good.replacen("\"growth_rate\":[2.0", "\"growth_rate\":[1e12,1e12", 1).replacen(",1.0]", "]", 1);
    let slow = growth.replacen("1024.0", "0.001", 50);
    let file = Scratch::new("endless.json", slow);
    let told = mudlark(&format!("sim --file {}", file.name()));
    assert_eq!(told.status.code(), Some(2), "{}", String::from_utf8_lossy(&told.stderr));
}
