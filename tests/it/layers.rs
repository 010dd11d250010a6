//! The layer rule of docs/architecture.md: imports point down only, and pure layers do no I/O.

use crate::support::source::{self, Source, line, rust_files, without_tests};
use std::collections::BTreeSet;

const L1: &[&str] = &["domain", "expr", "catalog", "config"];
const L2: &[&str] = &["intake", "plan", "brief", "translate", "gate", "judge", "report"];

/// What each top-level module may import, besides what `layer` gives it. A module that is not here fails the test.
const MODULES: &[(&str, Layer, &[&str])] = &[
    ("domain", Layer::Values, &[]),
    ("expr", Layer::Language, &["domain"]),
    ("document", Layer::Language, &["domain"]),
    ("catalog", Layer::Language, &["domain", "expr", "document"]),
    ("config", Layer::Language, &["domain", "expr", "document", "catalog"]),
    ("intake", Layer::Pure, &[]),
    ("plan", Layer::Pure, &[]),
    ("brief", Layer::Pure, &[]),
    ("translate", Layer::Pure, &[]),
    ("gate", Layer::Pure, &[]),
    ("judge", Layer::Pure, &[]),
    ("report", Layer::Pure, &[]),
    ("flow", Layer::Flow, &[]),
    ("journal", Layer::Adapter, &[]),
    ("llm", Layer::Adapter, &[]),
    // A program of its own that shares the binary; what it shares with the daemon is the format of its files.
    ("shim", Layer::Adapter, &[]),
    ("execute", Layer::Adapter, &["shim"]),
    // Serves the `notify.` family of calls, so it implements the executor's trait.
    ("notify", Layer::Adapter, &["execute"]),
    ("engine", Layer::Engine, &[]),
    ("http", Layer::Surface, &[]),
    ("cli", Layer::Surface, &["app", "demo", "shim", "telemetry"]),
    ("demo", Layer::Surface, &["app", "cli", "shim", "telemetry"]),
    ("telemetry", Layer::Language, &["domain", "config"]),
    ("app", Layer::Assembly, &[]),
    ("lib", Layer::Assembly, &[]),
    ("main", Layer::Surface, &["cli", "app", "telemetry"]),
];

#[derive(Clone, Copy, PartialEq)]
enum Layer {
    /// L0.
    Values,
    /// L1.
    Language,
    /// L2: never one another.
    Pure,
    /// L3, the part that combines L2.
    Flow,
    /// L3, the part that does I/O: may use L2's types, never `flow`.
    Adapter,
    /// L4.
    Engine,
    /// L5: never an adapter.
    Surface,
    /// Builds everything, so it may import everything.
    Assembly,
}

impl Layer {
    fn may_import(self, module: &str) -> bool {
        let below = L1.contains(&module);
        let pure = L2.contains(&module);
        match self {
            Self::Values | Self::Language => false,
            Self::Pure => below,
            Self::Flow | Self::Adapter => below || pure,
            Self::Engine => below || pure || ["flow", "journal", "execute", "llm", "notify"].contains(&module),
            Self::Surface => below || pure || module == "engine",
            Self::Assembly => true,
        }
    }
}

/// What makes a function's answer depend on more than its arguments.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "tokio",
    "reqwest",
    "sqlx",
    "bollard",
    "rustix",
    "SystemTime",
    "Instant::now",
    "Utc::now",
    "Local::now",
    "RandomState",
    "rand",
    "getrandom",
    "HashMap",
    "HashSet",
];

const PURE: &[&str] = &[
    "domain",
    "expr",
    "document",
    "catalog",
    "config",
    "intake",
    "plan",
    "brief",
    "translate",
    "gate",
    "judge",
    "report",
    "flow",
];

/// The one place where configuration is read from files and the environment.
const READS_FILES: &str = "src/config/read.rs";

/// The path of modules that a file is, below `src`: `src/execute/docker/logs.rs` is `[execute, docker, logs]`.
fn module_path(path: &str) -> Vec<String> {
    let below = path.trim_start_matches("src/").trim_end_matches(".rs");
    let mut parts: Vec<String> = below.split('/').map(str::to_owned).collect();
    if parts.last().is_some_and(|last| last == "mod") {
        parts.pop();
    }
    parts
}

/// Positions and top-level modules of everything that the file names by `crate::` or `super::`.
fn imports(file: &Source) -> Vec<(usize, String)> {
    let code = without_tests(&file.code);
    let module = module_path(&file.path);
    let mut found = Vec::new();
    for (position, _) in code.match_indices("crate::") {
        found.extend(first_segments(&code[position + "crate::".len()..]).into_iter().map(|name| (position, name)));
    }
    for (position, _) in code.match_indices("super::") {
        if code[..position].ends_with("super::") {
            continue; // counted with the first one
        }
        let rest = &code[position..];
        let levels = rest.split("super::").take_while(|between| between.is_empty()).count();
        // Inside `mod inner { … }` a file's `super` reaches less far: then this test sees too much, never too little.
        if levels >= module.len() {
            let after = &rest["super::".len() * levels..];
            found.extend(first_segments(after).into_iter().map(|name| (position, name)));
        }
    }
    found
}

/// `domain::X` names `domain`; `{domain::X, gate::{Y, Z}}` names `domain` and `gate`.
fn first_segments(rest: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    if !rest.starts_with('{') {
        return vec![word(rest)];
    }
    let mut depth = 0;
    let mut expected = false;
    let mut names = Vec::new();
    for (position, character) in rest.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 1 => break,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 1 && (character == '{' || character == ',') {
            expected = true;
        } else if expected && !character.is_whitespace() {
            names.push(word(&rest[position..]));
            expected = false;
        }
    }
    names
}

/// The sources, without files that hold nothing but tests: these may use whatever they need.
fn sources() -> Vec<Source> {
    let tests = |part: &str| part == "tests" || part.ends_with("_tests");
    let mut files = rust_files("src");
    files.retain(|file| !module_path(&file.path).iter().any(|part| tests(part)));
    files
}

/// Modules that `src/lib.rs` declares.
fn top_level() -> BTreeSet<String> {
    source::files("src", &[".rs"])
        .iter()
        .filter_map(|path| module_path(&source::shown(path)).into_iter().next())
        .filter(|name| name != "lib" && name != "main")
        .collect()
}

#[test]
fn imports_point_down() {
    let known = top_level();
    let mut wrong = Vec::new();
    for file in sources() {
        let module = module_path(&file.path).remove(0);
        let Some((_, layer, also)) = MODULES.iter().find(|(name, _, _)| *name == module) else {
            wrong.push(format!(
                "{}: module `{module}` has no layer; add it to the table in tests/it/layers.rs",
                file.path
            ));
            continue;
        };
        for (position, name) in imports(&file) {
            if known.contains(&name) && name != module && !layer.may_import(&name) && !also.contains(&name.as_str()) {
                wrong.push(format!("{}:{}: `{module}` may not import `{name}`", file.path, line(&file.code, position)));
            }
        }
    }
    assert!(wrong.is_empty(), "imports point down only (docs/architecture.md):\n{}", wrong.join("\n"));
}

#[test]
fn pure_layers_do_no_io_and_know_no_clock() {
    let mut wrong = Vec::new();
    for file in sources() {
        if !PURE.contains(&module_path(&file.path)[0].as_str()) || file.path == READS_FILES {
            continue;
        }
        let code = without_tests(&file.code);
        for banned in IMPURE {
            for (position, _) in code.match_indices(banned) {
                if is_whole_word(&code, position, banned) {
                    wrong.push(format!("{}:{}: {banned}", file.path, line(&code, position)));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "pure layers take what they need as values:\n{}", wrong.join("\n"));
}

fn is_whole_word(code: &str, position: usize, word: &str) -> bool {
    let part = |character: Option<char>| character.is_some_and(|c| c.is_alphanumeric() || c == '_');
    !part(code[..position].chars().next_back()) && !part(code[position + word.len()..].chars().next())
}

#[test]
fn paths_are_followed_through_groups_and_super() {
    let file = |path: &str, code: &str| Source { path: path.into(), text: code.into(), code: code.into() };
    let names = |file: &Source| imports(file).into_iter().map(|(_, name)| name).collect::<Vec<_>>();
    let grouped = file("src/plan/first.rs", "use crate::{domain::{A, B}, gate, judge::C};\nuse crate::flow::D;");
    assert_eq!(names(&grouped), ["domain", "gate", "judge", "flow"]);
    assert_eq!(names(&file("src/plan/first.rs", "use super::super::gate::X; use super::near;")), ["gate"]);
    assert_eq!(names(&file("src/plan/mod.rs", "use super::{gate::X, judge};")), ["gate", "judge"]);
    assert_eq!(names(&file("src/execute/docker/logs.rs", "use super::super::x::Y;")), Vec::<String>::new());
}
