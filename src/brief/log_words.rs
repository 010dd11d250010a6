//! Words of log lines: what is always there, and what is another thing each time.

/// Words with more letters than this, among which there are figures, are ids.
const LONGEST_WORD: usize = 16;

/// The line with placeholders for what varies: times, addresses, ids, numbers, and names in quotes. Of a path, the parts
/// that vary.
pub(super) fn template(line: &str) -> String {
    let mut template = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        if let Some(name) = quoted_name(rest, &template) {
            template.push(c);
            template.push_str("‹text›");
            rest = &rest[1 + name.len()..];
            template.push(c);
            rest = &rest[1..];
        } else if is_part(c) {
            let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(length);
            let (length, kind) = word_and_more(word, after);
            template.push_str(&kind);
            rest = &rest[length..];
        } else {
            template.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    template
}

fn is_part(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '+')
}

/// One quoted word in prose, which is a name: `user 'john'`. What is the value of a key says what happened
/// (`msg="refused"`), and what is itself a key never varies.
fn quoted_name<'l>(rest: &'l str, before: &str) -> Option<&'l str> {
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\'' | '`'))?;
    if before.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '=' | ':' | '[' | ',' | '{' | '\\')) {
        return None;
    }
    let value = before.trim_end();
    let (name, after) = rest[1..].split_once(quote)?;
    let word = !name.is_empty() && name.len() <= 200 && !name.contains(char::is_whitespace);
    let prose = !value.ends_with([':', '=', ',', '[', '{']) && !after.starts_with([':', '=']);
    (word && prose && !value.is_empty()).then_some(name)
}

/// A word with the time of the day that may follow a date, and what stands for it.
fn word_and_more(word: &str, after: &str) -> (usize, String) {
    if is_date(word) {
        let next = after.strip_prefix(' ').unwrap_or("");
        let clock = &next[..next.find(|c| !is_part(c)).unwrap_or(next.len())];
        if is_clock(clock) {
            let length = word.len() + 1 + clock.len();
            return (length + fraction(&next[clock.len()..]), "‹time›".into());
        }
    }
    let kind = placeholder(word);
    let more = if kind == "‹time›" { fraction(after) } else { 0 };
    (word.len() + more, kind)
}

/// `,123` after a time.
fn fraction(after: &str) -> usize {
    let digits = after.strip_prefix(',').map_or(0, |rest| rest.bytes().take_while(u8::is_ascii_digit).count());
    if digits == 3 { 4 } else { 0 }
}

fn placeholder(word: &str) -> String {
    if !word.bytes().any(|byte| byte.is_ascii_digit()) {
        return word.to_owned();
    }
    let bare = word.trim_end_matches(['.', ':', '-']);
    let tail = &word[bare.len()..];
    let kind = match bare {
        _ if is_uuid(bare) => "‹uuid›",
        _ if is_time(bare) => "‹time›",
        _ if is_address(bare) => "‹ip›",
        _ if is_hexadecimal(bare) => "‹hex›",
        _ if is_id(bare) => "‹id›",
        _ => return numbers(word),
    };
    format!("{kind}{tail}")
}

/// A word with `‹n›` for its numbers: `worker-12` and `3.5ms`.
fn numbers(word: &str) -> String {
    let mut template = String::with_capacity(word.len());
    let mut characters = word.chars().peekable();
    while let Some(c) = characters.next() {
        if !c.is_ascii_digit() {
            template.push(c);
            continue;
        }
        template.push_str("‹n›");
        while characters.next_if(char::is_ascii_digit).is_some() {}
        let mut ahead = characters.clone();
        if ahead.next() == Some('.') && ahead.next().is_some_and(|c| c.is_ascii_digit()) {
            characters.next();
            while characters.next_if(char::is_ascii_digit).is_some() {}
        }
    }
    template
}

fn is_uuid(word: &str) -> bool {
    let lengths = [8, 4, 4, 4, 12];
    word.len() == 36
        && word.split('-').count() == lengths.len()
        && word.split('-').zip(lengths).all(|(part, length)| part.len() == length && is_hex(part))
}

fn is_hex(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Whether a word has this form, where `9` is any digit.
fn has_form(word: &str, form: &str) -> bool {
    let fits = |(byte, form): (u8, u8)| if form == b'9' { byte.is_ascii_digit() } else { byte == form };
    word.len() == form.len() && word.bytes().zip(form.bytes()).all(fits)
}

fn is_date(word: &str) -> bool {
    has_form(word, "9999-99-99")
}

/// `12:00:00`, with a fraction and a zone if it likes.
fn is_clock(word: &str) -> bool {
    word.get(..8).is_some_and(|clock| has_form(clock, "99:99:99")) && {
        let rest = word[8..].trim_end_matches('Z');
        let rest =
            rest.strip_prefix('.').map_or(rest, |digits| digits.trim_start_matches(|c: char| c.is_ascii_digit()));
        rest.is_empty() || rest.strip_prefix(['+', '-']).is_some_and(|zone| zone.len() >= 2 && is_zone(zone))
    }
}

fn is_zone(zone: &str) -> bool {
    zone.len() <= 5 && zone.bytes().all(|byte| byte.is_ascii_digit() || byte == b':')
}

fn is_time(word: &str) -> bool {
    let joined = |word: &str| word.get(..10).is_some_and(is_date) && word[10..].strip_prefix('T').is_some_and(is_clock);
    is_date(word) || is_clock(word) || joined(word)
}

/// IPv4 or IPv6, with a port if it likes.
fn is_address(word: &str) -> bool {
    let four = word.split_once(':').map_or(word, |(address, _)| address);
    let octet = |part: &str| (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts = four.split('.').count();
    let six = word.contains("::") || word.matches(':').count() == 7;
    (parts == 4 && four.split('.').all(octet)) || (six && word.split(':').all(|part| part.len() <= 4 && is_hex(part)))
}

fn is_hexadecimal(word: &str) -> bool {
    let digits = word.strip_prefix("0x").filter(|digits| !digits.is_empty());
    let letters = word.bytes().any(|byte| byte.is_ascii_alphabetic());
    digits.is_some_and(is_hex) || (word.len() >= 8 && letters && is_hex(word))
}

/// A long word of letters and figures without a sign between them.
fn is_id(word: &str) -> bool {
    let figures = word.bytes().filter(u8::is_ascii_digit).count();
    word.len() >= LONGEST_WORD
        && figures >= 3
        && figures < word.len()
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_varies_becomes_a_placeholder() {
        for (line, wanted) in [
            ("2026-11-21T12:00:00.123Z INFO listening on 8080", "‹time› INFO listening on ‹n›"),
            ("2026-11-21 12:00:00,123 WARN slow: 12.5ms", "‹time› WARN slow: ‹n›ms"),
            ("Nov 21 12:00:00 host kernel: killed 4711", "Nov ‹n› ‹time› host kernel: killed ‹n›"),
            ("10.0.0.7:5432 refused, so did fe80::1", "‹ip› refused, so did ‹ip›"),
            ("request 550e8400-e29b-41d4-a716-446655440000 ended", "request ‹uuid› ended"),
            ("container 4f2a9b1c03de at 0x7fff", "container ‹hex› at ‹hex›"),
            ("object 01HF7YAT31JZECX8CQ3M failed", "object ‹id› failed"),
            ("cannot open /var/lib/app/17/part-3.log", "cannot open /var/lib/app/‹n›/part-‹n›.log"),
            ("user 'john' is unknown", "user '‹text›' is unknown"),
            (r#"{"level":"error","msg":"refused","port":5432}"#, r#"{"level":"error","msg":"refused","port":‹n›}"#),
            (r#"msg="pool exhausted" in_use=10"#, r#"msg="pool exhausted" in_use=‹n›"#),
            ("don't stop 'til 5", "don't stop 'til ‹n›"),
            ("version v1.2.3 ready", "version v‹n›.‹n› ready"),
            ("größe 5 übrig", "größe ‹n› übrig"),
        ] {
            assert_eq!(template(line), wanted, "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_line_has_a_template_without_figures(line in "\\PC{0,80}") {
            let figures = |c: char| c.is_ascii_digit();
            let template = template(&line);
            prop_assert!(!template.contains(figures), "{}", template);
            prop_assert_eq!(super::template(&line), template);
        }

        #[test]
        fn only_the_figures_of_lines_differ(one in 0u32..1_000_000, other in 0u32..1_000_000) {
            let line = |n: u32| template(&format!("took {n} ms of {n}.{n}s for /users/{n}"));
            prop_assert_eq!(line(one), line(other));
        }
    }
}
