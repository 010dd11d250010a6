//! What is told when not everything can be: each part has shorter forms, and parts are shortened in a fixed order until
//! the whole fits.

use crate::domain::estimate_tokens;

/// Forms of one part, longest first.
#[derive(Debug)]
pub(super) struct Section {
    forms: Vec<(String, u64)>,
    chosen: usize,
}

/// A part and the form that it is cut to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    pub section: usize,
    pub form: usize,
}

/// Parts in the order in which they are told, and the order in which they are shortened.
#[derive(Debug, Default)]
pub(super) struct Sections {
    parts: Vec<Section>,
    cuts: Vec<Cut>,
}

impl Sections {
    /// A part that is never cut.
    pub fn whole(&mut self, text: String) {
        self.shortened([text]);
    }

    /// A part with shorter forms, and its position.
    pub fn shortened(&mut self, forms: impl IntoIterator<Item = String>) -> usize {
        let weighed = |form: String| {
            let tokens = estimate_tokens(&form);
            (form, tokens)
        };
        self.parts.push(Section { forms: forms.into_iter().map(weighed).collect(), chosen: 0 });
        self.parts.len() - 1
    }

    /// The next cuts, after those that are known.
    pub fn cut_next(&mut self, sections: &[usize], form: usize) {
        self.cuts.extend(sections.iter().map(|section| Cut { section: *section, form }));
    }

    fn tokens(&self) -> u64 {
        self.parts.iter().filter_map(|part| part.forms.get(part.chosen)).map(|(_, tokens)| tokens).sum()
    }

    /// The text, cut to a budget, and how many parts were cut; or how many tokens it has at its shortest.
    pub fn fit(mut self, budget: u64) -> Result<(String, usize), u64> {
        for cut in std::mem::take(&mut self.cuts) {
            if self.tokens() <= budget {
                break;
            }
            if let Some(part) = self.parts.get_mut(cut.section) {
                part.chosen = cut.form.min(part.forms.len().saturating_sub(1));
            }
        }
        let tokens = self.tokens();
        if tokens > budget {
            return Err(tokens);
        }
        let cut = self.parts.iter().filter(|part| part.chosen > 0).count();
        let texts = self.parts.iter().filter_map(|part| part.forms.get(part.chosen)).map(|(text, _)| text.as_str());
        Ok((texts.collect(), cut))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sections() -> Sections {
        let mut sections = Sections::default();
        sections.whole("rules ".repeat(10));
        let old = sections.shortened(["old ".repeat(100), "old ".repeat(10), "o ".into()]);
        let new = sections.shortened(["new ".repeat(100), "new ".repeat(10), "n ".into()]);
        sections.cut_next(&[old, new], 1);
        sections.cut_next(&[old, new], 2);
        sections
    }

    #[test]
    fn the_oldest_is_cut_first_and_the_rules_never() {
        let whole = sections().fit(10_000).unwrap();
        assert_eq!(whole.1, 0);
        let tokens = estimate_tokens(&whole.0);
        let (text, cut) = sections().fit(tokens - 1).unwrap();
        assert_eq!((text.matches("old").count(), text.matches("new").count(), cut), (10, 100, 1));
        let (text, cut) = sections().fit(30).unwrap();
        assert_eq!((text.matches("old").count(), text.matches("new").count(), cut), (0, 10, 2));
        assert!(text.starts_with("rules rules"));
        assert_eq!(sections().fit(10), Err(17));
    }
}
