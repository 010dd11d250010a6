//! How many tokens a text has, about: enough to keep within a budget before a model counts them.

/// Twelfths of a token that a character takes. Words of English are about four letters a token, figures and signs
/// are dearer, and other scripts dearer still: their characters are rare in what tokenizers learned from.
fn twelfths(c: char) -> u64 {
    match c {
        'a'..='z' | 'A'..='Z' | ' ' => 3,
        '0'..='9' => 4,
        _ => match c.len_utf8() {
            1 => 6,
            2 => 9,
            3 => 18,
            _ => 30,
        },
    }
}

/// Tokens of a text: an estimate, on the high side. Two texts together never have more than both apart.
pub fn estimate(text: &str) -> u64 {
    text.chars().map(twelfths).sum::<u64>().div_ceil(12)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_are_cheap_and_other_scripts_are_not() {
        assert_eq!(estimate(""), 0);
        assert_eq!(estimate("connection refused by the database"), 9);
        assert_eq!(estimate("データベース"), 9);
        assert!(estimate("🔥🔥") >= 4);
        assert!(estimate(r#"{"state":"exited","exit_code":137}"#) <= 14);
    }

    proptest! {
        #[test]
        fn together_is_never_more_than_apart(one in ".{0,80}", other in ".{0,80}") {
            let together = estimate(&format!("{one}{other}"));
            prop_assert!(together <= estimate(&one) + estimate(&other));
            prop_assert!(together >= estimate(&one).max(estimate(&other)));
        }
    }
}
