//! Style that reviewers need not look for.

use crate::support::source::{self, block_end, line, rust_files};

/// Lines that a file may have before it must be split.
const FILE_LINES: usize = 400;

/// Lines that a function may have: it fits a screen.
const FUNCTION_LINES: usize = 70;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["utils", "util", "helpers", "helper", "manager", "common", "misc"];

/// Written while something is not finished.
const UNFINISHED: &[&str] = &["todo!", "unimplemented!", "dbg!", "TODO", "FIXME", "XXX"];

fn all_rust() -> Vec<source::Source> {
    let mut files = rust_files("src");
    files.extend(rust_files("tests"));
    files
}

#[test]
fn files_are_short() {
    let long: Vec<String> = all_rust()
        .iter()
        .map(|file| (file, file.text.lines().count()))
        .filter(|(_, lines)| *lines > FILE_LINES)
        .map(|(file, lines)| format!("{}: {lines} lines", file.path))
        .collect();
    assert!(long.is_empty(), "split what is longer than {FILE_LINES} lines:\n{}", long.join("\n"));
}

#[test]
fn functions_fit_a_screen() {
    let mut long = Vec::new();
    for file in all_rust() {
        for (position, _) in file.code.match_indices("fn ") {
            let before = file.code[..position].chars().next_back();
            let named = file.code[position + 3..].starts_with(|c: char| c.is_alphabetic() || c == '_');
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_') || !named {
                continue;
            }
            if let Some(end) = block_end(&file.code, position) {
                let lines = file.code[position..end].lines().count();
                if lines > FUNCTION_LINES {
                    long.push(format!("{}:{}: {lines} lines", file.path, line(&file.code, position)));
                }
            }
        }
    }
    assert!(long.is_empty(), "split functions of more than {FUNCTION_LINES} lines:\n{}", long.join("\n"));
}

#[test]
fn modules_have_telling_names() {
    let empty: Vec<String> = all_rust()
        .into_iter()
        .map(|file| file.path)
        .filter(|path| path.trim_end_matches(".rs").split('/').any(|part| EMPTY_NAMES.contains(&part)))
        .collect();
    assert!(empty.is_empty(), "name the noun that these are about:\n{}", empty.join("\n"));
}

#[test]
fn nothing_is_left_unfinished() {
    let mut found = Vec::new();
    for file in all_rust() {
        if file.path == "tests/it/tidy.rs" {
            continue; // names them
        }
        for (number, text) in file.text.lines().enumerate() {
            if UNFINISHED.iter().any(|word| text.contains(word)) {
                found.push(format!("{}:{}: {}", file.path, number + 1, text.trim()));
            }
        }
    }
    assert!(found.is_empty(), "finish or remove:\n{}", found.join("\n"));
}

#[test]
fn no_path_of_one_machine_is_written_down() {
    // Spelled in parts, so that this file does not find itself.
    let paths = [concat!("/wo", "rk/"), concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Us", "ers/")];
    let mut found = Vec::new();
    let mut files = Vec::new();
    for folder in ["src", "tests", "docs", "config", "translations", "runbooks", "deploy", ".ci"] {
        files.extend(source::files(folder, &[""]));
    }
    files.extend(["README.md", "Dockerfile", "docker-compose.yml", "Cargo.toml"].map(|name| source::root().join(name)));
    for file in files {
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        for (number, content) in text.lines().enumerate() {
            if paths.iter().any(|path| content.contains(path)) {
                found.push(format!("{}:{}: {}", source::shown(&file), number + 1, content.trim()));
            }
        }
    }
    assert!(found.is_empty(), "paths of one machine:\n{}", found.join("\n"));
}

#[test]
fn shipped_text_is_short_lined_and_ends_in_a_newline() {
    let mut wrong = Vec::new();
    for folder in ["config", "translations", "runbooks", "docs", "deploy"] {
        for path in source::files(folder, &[".yml", ".md"]) {
            let text = std::fs::read_to_string(&path).expect("a readable file");
            if !text.ends_with('\n') {
                wrong.push(format!("{}: no newline at the end", source::shown(&path)));
            }
            for (number, content) in text.lines().enumerate() {
                if content.ends_with([' ', '\t']) {
                    wrong.push(format!("{}:{}: blanks at the end", source::shown(&path), number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
