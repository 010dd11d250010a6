//! The PromQL expression that a generator's address carries. The address itself is never contacted.

use crate::domain::clean_text;

/// The longest real rule expressions are below 2,000 characters; a longer one is not repeated.
const MAX_EXPRESSION: usize = 4_096;

/// The decoded `g0.expr` of `http://prometheus:9090/graph?g0.expr=…&g0.tab=1`, if there is one.
pub(super) fn of_generator(url: &str) -> Option<String> {
    let (_, query) = url.split_once('?')?;
    let query = query.split('#').next()?;
    let encoded = query.split('&').find_map(|pair| pair.strip_prefix("g0.expr="))?;
    let expression = decoded(encoded)?;
    let trimmed = expression.trim();
    // An expression that had to be cleaned or cut would be another expression.
    let intact = !trimmed.is_empty() && clean_text(trimmed, MAX_EXPRESSION) == trimmed;
    intact.then(|| trimmed.to_owned())
}

/// Undoes form encoding; none where it is broken.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let high = char::from(rest.next()?).to_digit(16)?;
                let low = char::from(rest.next()?).to_digit(16)?;
                u8::try_from(high * 16 + low).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_expression_is_decoded() {
        let url = "http://prom:9090/graph?g0.expr=time%28%29+-+container_last_seen+%3E+60&g0.tab=1";
        assert_eq!(of_generator(url).as_deref(), Some("time() - container_last_seen > 60"));
        assert_eq!(
            of_generator("http://p/query?g0.tab=1&g0.expr=up%7Bjob%3D%22a+b%22%7D+%3D%3D+0#x").as_deref(),
            Some("up{job=\"a b\"} == 0")
        );
    }

    #[test]
    fn what_is_broken_or_hidden_is_no_expression() {
        for url in
            ["", "http://p/graph", "?g0.expr=", "?g0.expr=%", "?g0.expr=%zz", "?g0.expr=%ff", "?g0.expr=up%E2%80%AE"]
        {
            assert_eq!(of_generator(url), None, "{url}");
        }
        assert_eq!(of_generator(&format!("?g0.expr={}", "a".repeat(5_000))), None);
    }

    proptest! {
        #[test]
        fn any_address_is_survived(url in ".{0,200}") {
            let _ = of_generator(&url);
            let _ = of_generator(&format!("?g0.expr={url}"));
        }
    }
}
