//! Text from outside, made harmless in Markdown.

use crate::domain::clean_text;

/// Prose longer than this is cut: a report is read, and the whole is in the journal.
const MAX_PROSE: usize = 1_000;
/// A paragraph of what a model wrote, which is bounded as a whole when it arrives.
const MAX_PARAGRAPH: usize = 4_000;
/// The longest command worth repeating.
const MAX_CODE: usize = 2_000;

/// One line of prose: no markup, no HTML, no links that write themselves.
pub(super) fn prose(text: &str) -> String {
    harmless(&one_line(text, MAX_PROSE))
}

/// Several lines of prose, each a paragraph of its own.
pub(super) fn paragraphs(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let paragraphs: Vec<String> = lines.map(|line| harmless(&one_line(line, MAX_PARAGRAPH))).collect();
    paragraphs.join("\n\n")
}

fn harmless(flat: &str) -> String {
    let words: Vec<String> = flat.split(' ').map(|word| address(word).unwrap_or_else(|| escaped(word))).collect();
    let mut text = words.join(" ");
    // What stands at the start may make a list or a heading of it.
    let digits = text.chars().take_while(char::is_ascii_digit).count();
    if digits > 0 && text[digits..].starts_with(['.', ')']) {
        text.insert(digits, '\\');
    } else if text.starts_with(['#', '+', '-', '=']) {
        text.insert(0, '\\');
    }
    text
}

/// An address as code: readable, and no link that writes itself.
fn address(word: &str) -> Option<String> {
    if !(word.starts_with("http://") || word.starts_with("https://")) || word.contains('`') {
        return None;
    }
    let address = word.trim_end_matches([':', ';', ',', '.', ')']);
    Some(format!("`{address}`{}", &word[address.len()..]))
}

fn escaped(word: &str) -> String {
    let characters: Vec<char> = word.chars().collect();
    let mut escaped = String::with_capacity(word.len() + 8);
    for (index, c) in characters.iter().copied().enumerate() {
        let before = index.checked_sub(1).and_then(|index| characters.get(index)).copied();
        let after = characters.get(index + 1).copied();
        if needs_backslash(c, before, after) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

fn needs_backslash(c: char, before: Option<char>, after: Option<char>) -> bool {
    let word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    match c {
        '\\' | '`' | '*' | '[' | ']' | '<' | '>' | '|' | '~' | '$' => true,
        // Only where it would be a character by its name or number.
        '&' => after.is_some_and(|c| c.is_alphanumeric() || c == '#'),
        // Inside a word it is no emphasis, and names full of backslashes cannot be read.
        '_' => !(word(before) && word(after)),
        // http://… and www.… become links by themselves in many renderers, and @name tells people.
        ':' => after == Some('/'),
        '.' => before.is_some_and(|c| c.eq_ignore_ascii_case(&'w')),
        '@' => true,
        _ => false,
    }
}

/// Inline code.
pub(super) fn code(text: &str) -> String {
    let text = one_line(text, MAX_CODE);
    if text.is_empty() {
        return "(nothing)".into();
    }
    let fence = "`".repeat(longest_run(&text) + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// A block of code whose fence is longer than any in the text.
pub(super) fn block(lines: &[String], indent: &str) -> String {
    let fence = "`".repeat(lines.iter().map(|line| longest_run(line)).max().unwrap_or(0).max(2) + 1);
    let mut block = format!("{indent}{fence}text\n");
    for line in lines {
        for part in clean_text(line, MAX_CODE).split('\n') {
            block.push_str(indent);
            block.push_str(part);
            block.push('\n');
        }
    }
    block.push_str(indent);
    block.push_str(&fence);
    block.push('\n');
    block
}

fn one_line(text: &str, limit: usize) -> String {
    clean_text(text, limit).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn markup_loses_its_meaning() {
        assert_eq!(prose("<script>alert(1)</script>"), r"\<script\>alert(1)\</script\>");
        assert_eq!(prose("see [here](http://evil.example) @all"), r"see \[here\](http\://evil.example) \@all");
        assert_eq!(prose("# big\n- item"), r"\# big - item");
        assert_eq!(
            prose("ask http://127.0.0.1/health: a && b &amp; c"),
            r"ask `http://127.0.0.1/health`: a && b \&amp; c"
        );
        assert_eq!(prose("http://evil`x"), r"http\://evil\`x");
        assert_eq!(prose("1. first"), r"1\. first");
        assert_eq!(prose("memory_limit_too_small _now_"), r"memory_limit_too_small \_now\_");
        assert_eq!(code("a `b` c"), "``a `b` c``");
        assert_eq!(code("`"), "`` ` ``");
    }

    #[test]
    fn a_fence_cannot_be_closed_from_inside() {
        let text = block(&["before".into(), "````".into(), "<b>after</b>".into()], "");
        assert_eq!(text, "`````text\nbefore\n````\n<b>after</b>\n`````\n");
    }

    proptest! {
        #[test]
        fn prose_is_one_line_without_html(text in ".{0,200}") {
            let escaped = prose(&text);
            prop_assert!(!escaped.contains('\n'));
            let characters: Vec<char> = escaped.chars().collect();
            for (index, c) in characters.iter().enumerate() {
                if matches!(c, '<' | '`') && !text.contains("://") {
                    prop_assert_eq!(characters.get(index.wrapping_sub(1)), Some(&'\\'));
                }
            }
        }

        #[test]
        fn a_block_ends_only_at_its_end(lines in proptest::collection::vec("[`a \n~]{0,20}", 0..5)) {
            let text = block(&lines, "");
            let fence = text.split("text").next().unwrap_or_default().to_owned();
            let closing = text.lines().filter(|line| line.trim_start().starts_with(&fence)).count();
            prop_assert_eq!(closing, 2);
        }
    }
}
