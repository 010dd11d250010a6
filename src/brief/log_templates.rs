//! Log lines as templates: what was said, how often, and when first and last. A thousand lines become a few dozen.

use super::log_words;
use crate::domain::{LogLevel, Timestamp};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, btree_map::Entry},
};

/// Templates that are counted at once. Beyond twice as many, the least telling are given up: memory is bounded
/// whatever a program writes.
const MOST_TEMPLATES: usize = 512;
/// Characters of a line that are looked at.
const LONGEST_LINE: usize = 1_000;

/// A log line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'l> {
    pub at: Option<Timestamp>,
    pub on_stderr: bool,
    pub text: &'l str,
}

/// Lines that say the same.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Template {
    pub text: String,
    /// The worst that any of them says of itself.
    pub level: LogLevel,
    pub count: usize,
    /// Positions of the first and the last, from 1.
    pub first: usize,
    pub last: usize,
    pub first_at: Option<Timestamp>,
    pub last_at: Option<Timestamp>,
    /// The last one, as it is.
    pub example: String,
}

impl Template {
    /// What is kept first: the most severe, then the rarest, then the latest.
    fn rank(&self) -> (Reverse<LogLevel>, usize, Reverse<usize>) {
        (Reverse(self.level), self.count, Reverse(self.last))
    }
}

/// What a log says.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Templates {
    /// In the order in which they appeared.
    pub kept: Vec<Template>,
    /// Lines of templates that were not kept, and how many templates these were, at least.
    pub lines_left_out: usize,
    pub templates_left_out: usize,
}

/// Lines to at most `most` templates.
pub(super) fn templates<'l>(lines: impl IntoIterator<Item = Line<'l>>, most: usize) -> Templates {
    let mut known: BTreeMap<String, Template> = BTreeMap::new();
    let mut result = Templates::default();
    for (index, line) in lines.into_iter().enumerate() {
        count(&mut known, index + 1, line);
        if known.len() > 2 * MOST_TEMPLATES {
            let kept = result.keep(std::mem::take(&mut known).into_values().collect(), MOST_TEMPLATES);
            known = kept.into_iter().map(|template| (template.text.clone(), template)).collect();
        }
    }
    result.kept = result.keep(known.into_values().collect(), most);
    result.kept.sort_by_key(|template| template.first);
    result
}

fn count(known: &mut BTreeMap<String, Template>, position: usize, line: Line<'_>) {
    let text = line.text.char_indices().nth(LONGEST_LINE).map_or(line.text, |(end, _)| &line.text[..end]);
    let level = LogLevel::of(text, line.on_stderr);
    match known.entry(log_words::template(text)) {
        Entry::Occupied(entry) => {
            let template = entry.into_mut();
            template.count += 1;
            template.level = template.level.max(level);
            template.last = position;
            template.last_at = line.at.or(template.last_at);
            text.clone_into(&mut template.example);
        }
        Entry::Vacant(entry) => {
            let text_of = entry.key().clone();
            entry.insert(Template {
                text: text_of,
                level,
                count: 1,
                first: position,
                last: position,
                first_at: line.at,
                last_at: line.at,
                example: text.to_owned(),
            });
        }
    }
}

impl Templates {
    /// The most telling ones; the others are counted as left out.
    fn keep(&mut self, mut templates: Vec<Template>, most: usize) -> Vec<Template> {
        templates.sort_by_key(Template::rank);
        let dropped = templates.split_off(most.min(templates.len()));
        self.templates_left_out += dropped.len();
        self.lines_left_out += dropped.iter().map(|template| template.count).sum::<usize>();
        templates
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(text: &str) -> Line<'_> {
        Line { at: None, on_stderr: false, text }
    }

    #[test]
    fn lines_that_say_the_same_are_one_template() {
        let at = |clock: &str| Some(format!("2026-11-21T{clock}Z").parse().unwrap());
        let lines = [
            Line { at: at("12:00:01"), ..line("ERROR pool: 10 of 10 connections in use") },
            Line { at: at("12:00:02"), ..line("INFO request 17 took 3ms") },
            Line { at: at("12:00:09"), ..line("ERROR pool: 9 of 10 connections in use") },
        ];
        let found = templates(lines, 10).kept;
        assert_eq!(found.len(), 2);
        let pool = &found[0];
        assert_eq!((pool.text.as_str(), pool.count), ("ERROR pool: ‹n› of ‹n› connections in use", 2));
        assert_eq!((pool.level, pool.first, pool.last), (LogLevel::Error, 1, 3));
        assert_eq!((pool.first_at, pool.last_at), (at("12:00:01"), at("12:00:09")));
        assert_eq!(pool.example, "ERROR pool: 9 of 10 connections in use");
    }

    #[test]
    fn the_most_severe_and_the_rarest_survive() {
        let mut texts: Vec<String> = (0..900).map(|n| format!("INFO request {n} done")).collect();
        let words = ["alpha", "beta", "gamma", "delta"];
        texts.extend(words.iter().flat_map(|word| std::iter::repeat_n(format!("INFO {word} said twice"), 2)));
        texts.insert(300, "FATAL out of memory".into());
        texts.insert(500, "INFO said only once".into());
        let found = templates(texts.iter().map(|text| line(text)), 3);
        let kept: Vec<&str> = found.kept.iter().map(|template| template.text.as_str()).collect();
        assert_eq!(kept, ["FATAL out of memory", "INFO said only once", "INFO delta said twice"]);
        assert_eq!((found.templates_left_out, found.lines_left_out), (4, 906));
    }

    #[test]
    fn a_flood_of_different_lines_stays_bounded_and_counted() {
        let letters = |mut n: usize| {
            let mut word = String::new();
            for _ in 0..4 {
                word.push((b'a' + u8::try_from(n % 26).unwrap()) as char);
                n /= 26;
            }
            word
        };
        let texts: Vec<String> = (0..20_000).map(|n| format!("INFO {}", letters(n))).collect();
        let fatal = "FATAL this one counts";
        let found = templates(std::iter::once(line(fatal)).chain(texts.iter().map(|text| line(text))), 30);
        assert_eq!(found.kept.len(), 30);
        assert_eq!(found.kept[0].text, fatal);
        let counted: usize = found.kept.iter().map(|template| template.count).sum();
        assert_eq!(counted + found.lines_left_out, 20_001);
    }

    proptest! {
        #[test]
        fn every_line_is_counted_once(texts in proptest::collection::vec("(INFO|ERROR)? ?[a-c]{0,2}[0-9]{0,2}", 0..60)) {
            let found = templates(texts.iter().map(|text| line(text)), 5);
            let counted: usize = found.kept.iter().map(|template| template.count).sum();
            prop_assert_eq!(counted + found.lines_left_out, texts.len());
            prop_assert!(found.kept.len() <= 5);
        }
    }
}
