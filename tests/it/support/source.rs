//! Reads the project's own sources, for the tests that hold the architecture and the style.

use std::fs;
use std::path::{Path, PathBuf};

/// One Rust file.
pub struct Source {
    /// Path below the project's root, with forward slashes.
    pub path: String,
    /// As written.
    pub text: String,
    /// As long as `text`, line for line, with comments and the insides of strings and characters blanked.
    pub code: String,
}

/// The project's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `folder` whose name ends in one of `endings`, in order.
pub fn files(folder: &str, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![root().join(folder)];
    while let Some(folder) = left.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.expect("a readable folder").path();
            if path.is_dir() {
                left.push(path);
            } else if endings.iter().any(|ending| path.to_string_lossy().ends_with(ending)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// A path as it is named in messages.
pub fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

/// Every Rust file below `folder`.
pub fn rust_files(folder: &str) -> Vec<Source> {
    files(folder, &[".rs"])
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).expect("a readable source file");
            Source { path: shown(&path), code: blank(&text), text }
        })
        .collect()
}

/// Replaces comments and the insides of literals by blanks, keeping every line where it is.
pub fn blank(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < characters.len() {
        let end = literal_end(&characters, at);
        if end == at {
            out.push(characters[at]);
            at += 1;
        } else {
            out.extend(characters[at..end].iter().map(|character| if *character == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    out
}

/// Where the comment or literal that begins at `at` ends; `at` itself if none begins there.
fn literal_end(text: &[char], at: usize) -> usize {
    let next = |offset: usize| text.get(at + offset).copied().unwrap_or(' ');
    let after_word = at > 0 && (text[at - 1].is_alphanumeric() || text[at - 1] == '_');
    match text[at] {
        '/' if next(1) == '/' => find(text, at, |rest| rest[0] == '\n'),
        '/' if next(1) == '*' => find(text, at + 2, |rest| rest.starts_with(&['*', '/'])) + 2,
        '"' => string_end(text, at + 1),
        'r' if !after_word && (next(1) == '"' || next(1) == '#') => raw_string_end(text, at + 1).unwrap_or(at),
        // A lifetime has no closing quote two characters on.
        '\'' if next(1) == '\\' => find(text, at + 3, |rest| rest[0] == '\'') + 1,
        '\'' if next(2) == '\'' => at + 3,
        _ => at,
    }
    .min(text.len())
}

fn find(text: &[char], from: usize, found: impl Fn(&[char]) -> bool) -> usize {
    (from..text.len()).find(|at| found(&text[*at..])).unwrap_or(text.len())
}

fn string_end(text: &[char], mut at: usize) -> usize {
    while at < text.len() && text[at] != '"' {
        at += if text[at] == '\\' { 2 } else { 1 };
    }
    at + 1
}

fn raw_string_end(text: &[char], from: usize) -> Option<usize> {
    let hashes = text[from..].iter().take_while(|character| **character == '#').count();
    if text.get(from + hashes) != Some(&'"') {
        return None; // a raw identifier
    }
    let closing: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
    Some(find(text, from + hashes + 1, |rest| rest.starts_with(&closing)) + closing.len())
}

/// The position after the brace that closes the one opened at or after `from`.
pub fn block_end(code: &str, from: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (offset, character) in code[from..].char_indices() {
        match character {
            '{' => depth += 1,
            '}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(from + offset + 1);
                }
            }
            // A declaration without a body.
            ';' if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// The code without its `#[cfg(test)]` items, line for line.
pub fn without_tests(code: &str) -> String {
    let mut out = code.to_owned();
    while let Some(start) = out.find("#[cfg(test)]") {
        let end = block_end(&out, start).unwrap_or(start + "#[cfg(test)]".len());
        let blanked: String = out[start..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        out.replace_range(start..end, &blanked);
    }
    out
}

/// The line, from 1, that a position is on.
pub fn line(text: &str, position: usize) -> usize {
    text[..position].matches('\n').count() + 1
}

#[test]
fn comments_and_literals_are_blanked_and_lines_stay() {
    let text = "a // tokio\nb /* std::fs */ \"std::net \\\" x\" r#\"rand \" y\"# '\"' '\\'' c\n'static d";
    let code = blank(text);
    assert_eq!(code.split_whitespace().collect::<Vec<_>>(), ["a", "b", "c", "'static", "d"]);
    assert_eq!(code.lines().count(), text.lines().count());
}

#[test]
fn test_modules_are_left_out() {
    let code = "fn a() {}\n#[cfg(test)]\nmod tests {\n  use std::fs;\n}\nfn b() {}";
    let left = without_tests(code);
    assert!(!left.contains("std::fs") && left.contains("fn b") && left.lines().count() == 6, "{left}");
}
