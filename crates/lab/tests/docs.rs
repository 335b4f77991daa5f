//! Promises of the documents: what they name exists.
//!
//! Looks at `ARCHITECTURE.md`, `README.md`, `CHANGELOG.md` and all pages in `docs`. Their Rust is tested elsewhere, by the package in `docs`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the workspace exists")
}

/// All files below a folder whose names end with `.extension`.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of the workspace") {
        let path = entry.expect("a readable folder").path();
        if path.is_dir() {
            found.extend(files(&path, extension));
        } else if path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
    found
}

/// The documents, with their text outside of code blocks.
fn documents() -> Vec<(PathBuf, String)> {
    let root = root();
    let mut paths = vec![root.join("ARCHITECTURE.md"), root.join("README.md"), root.join("CHANGELOG.md")];
    paths.extend(files(&root.join("docs/src"), "md"));
    let prose = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a document");
        let parts = text.split("```").step_by(2).collect::<Vec<_>>();
        (path, parts.join("\n"))
    };
    paths.into_iter().map(prose).collect()
}

/// The sources of all crates.
fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join("crates")).expect("crates") {
        found.extend(files(&entry.expect("a readable folder").path().join("src"), "rs"));
    }
    found
}

/// What stands between each `open` and the next `close` on its line.
fn between<'a>(text: &'a str, open: &'a str, close: char) -> impl Iterator<Item = &'a str> {
    text.lines().flat_map(move |line| {
        line.split(open).skip(1).filter_map(move |rest| rest.split_once(close).map(|(inner, _)| inner))
    })
}

/// The words in backticks.
fn code_words(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2)).flat_map(str::split_whitespace)
}

/// Goal: no link of a document leads nowhere. Method: each target that is not on the web is a file.
#[test]
fn relative_links_lead_to_files() {
    let mut links = 0;
    for (path, text) in documents() {
        for link in between(&text, "](", ')').filter(|link| !link.contains("://")) {
            let (file, _) = link.split_once('#').unwrap_or((link, ""));
            let target = path.parent().expect("a file has a folder").join(file);
            assert!(target.exists(), "{} links to {link}, which does not exist", path.display());
            links += 1;
        }
    }
    assert!(links > 10, "the test finds links");
}

/// Goal: paths and file names in documents are right. Method: words in code that begin with a folder of the workspace
/// are paths of it; those that end like a source or a document are names of files in it.
#[test]
fn named_paths_exist() {
    const FOLDERS: [&str; 5] = ["crates/", "benches/", "fuzz/", "docs/", ".ci/"];
    const FILES: [&str; 5] = ["justfile", "clippy.toml", "rustfmt.toml", "Cargo.toml", "Cargo.lock"];
    let root = root();
    let names: BTreeSet<String> = sources()
        .iter()
        .flat_map(|path| {
            let file = path.file_name().expect("a name").to_string_lossy().into_owned();
            let folder = path.parent().and_then(Path::file_name).expect("a folder").to_string_lossy();
            [format!("{folder}/{file}"), file]
        })
        .collect();
    let mut paths = 0;
    for (document, text) in documents() {
        for word in code_words(&text) {
            let known = if FOLDERS.iter().any(|folder| word.starts_with(folder)) || FILES.contains(&word) {
                root.join(word).exists()
            } else if word.ends_with(".rs") {
                names.contains(word)
            } else if word.ends_with(".md") {
                root.join(word).exists()
            } else {
                continue;
            };
            assert!(known, "{} names {word}, which does not exist", document.display());
            paths += 1;
        }
    }
    assert!(paths > 50, "the test finds paths");
}

/// The invariants that a text cites: a capital letter and a digit that stand alone.
fn cited(comment: &str) -> impl Iterator<Item = &str> {
    comment.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| {
        let mut chars = word.chars();
        let (first, second) = (chars.next(), chars.next());
        chars.next().is_none()
            && first.is_some_and(|c| c.is_ascii_uppercase())
            && second.is_some_and(|c| c.is_ascii_digit())
    })
}

/// The lines of SAFETY and ORDERING comments: from that word to the end of the comment.
fn arguments(source: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut inside = false;
    for (number, line) in source.lines().enumerate() {
        let comment = line.trim_start().strip_prefix("//").filter(|rest| !rest.starts_with(['/', '!']));
        inside = comment.is_some_and(|text| {
            inside || ["SAFETY:", "ORDERING:"].iter().any(|word| text.trim_start().starts_with(word))
        });
        if let (true, Some(text)) = (inside, comment) {
            found.push((number + 1, text));
        }
    }
    found
}

/// Goal: an argument never rests on an invariant that nobody wrote down. Method: each one that is cited is defined in
/// `ARCHITECTURE.md`, as an entry that begins with its name in bold.
#[test]
fn cited_invariants_are_defined() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("a document");
    let mut defined = BTreeMap::<&str, u32>::new();
    for line in text.lines() {
        if let Some((name, _)) = line.strip_prefix("- **").and_then(|rest| rest.split_once("**")) {
            *defined.entry(name).or_default() += 1;
        }
    }
    assert!(defined.values().all(|&times| times == 1), "an invariant is defined twice: {defined:?}");
    let mut citations = 0;
    for path in sources() {
        let source = fs::read_to_string(&path).expect("a source");
        for (line, comment) in arguments(&source) {
            for name in cited(comment) {
                let place = path.display();
                assert!(
                    defined.contains_key(name),
                    "{place}:{line} cites {name}, which ARCHITECTURE.md lacks"
                );
                citations += 1;
            }
        }
    }
    assert!(citations > 100, "the test finds citations, not {citations}");
}

/// Goal: the test above can fail. Method: what it must find in a small source.
#[test]
fn citations_are_found() {
    let source =
        "// SAFETY: A1, Z9: fine,\n// and B2.\nlet x = C3;\n// D4 is no argument.\n    // ORDERING: E5: x.\n";
    let names: Vec<&str> = arguments(source).into_iter().flat_map(|(_, comment)| cited(comment)).collect();
    assert_eq!(names, ["A1", "Z9", "B2", "E5"]);
    assert_eq!(cited("AB1 A12 a1 A_1 HashMap").count(), 0);
}

/// Goal: the page of the command is complete. Method: all names that the help of the command line prints.
#[test]
fn the_book_knows_every_option() {
    let page = fs::read_to_string(root().join("docs/src/command.md")).expect("a page");
    let help_of = |command| {
        let help =
            std::process::Command::new(env!("CARGO_BIN_EXE_mudlark")).args([command, "--help"]).output();
        String::from_utf8(help.expect("the binary was built for this test").stdout).expect("text")
    };
    let help = help_of("run") + &help_of("torture");
    let options = help.split_whitespace().filter(|word| word.starts_with("--"));
    let mut count = 0;
    for option in
        options.map(|word| word.trim_end_matches([',', '.', ';', ')'])).filter(|word| *word != "--help")
    {
        assert!(page.contains(option), "the page of the command lacks {option}");
        count += 1;
    }
    assert!(count >= 18, "{help}");
    for workload in mudlark_lab::workloads::Workload::ALL {
        assert!(page.contains(&format!("`{}`", workload.name())), "the page of the command lacks {workload}");
    }
}

/// Goal: no attack is kept without a reason. Method: each program that must not compile is named on the page of bug classes.
#[test]
fn each_attack_belongs_to_a_class() {
    let page = fs::read_to_string(root().join("docs/src/bug-classes.md")).expect("the page");
    let named: BTreeSet<&str> = code_words(&page).collect();
    let attacks = files(&root().join("crates/handle/tests/ui"), "rs");
    assert!(attacks.len() >= 80, "{} attacks", attacks.len());
    for attack in attacks {
        let name = attack.file_stem().expect("a name").to_string_lossy();
        assert!(named.contains(&*name), "the attack {name} is in no class");
    }
}
