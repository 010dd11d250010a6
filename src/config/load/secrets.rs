//! Values from outside the files: `${NAME}` from the environment, and secrets from files of their own (`…_file`).

use crate::config::Secret;
use crate::document::{Content, Decode as _, Fields, Node, Reports};
use std::collections::BTreeMap;

/// Keys that end in `_file` and name no secret.
const NOT_SECRETS: &[&str] = &["log_file"];

/// The texts of secret files, by path, among the variables.
pub(super) struct Files<'a> {
    pub variables: &'a BTreeMap<String, String>,
}

impl Files<'_> {
    /// A secret that stands under `name`, or in the file that `name_file` names. Outer `None` after a mistake.
    pub fn secret(&self, fields: &Fields<'_>, name: &'static str, name_file: &'static str) -> Option<Option<Secret>> {
        let file = fields.raw(name_file);
        match (fields.raw(name), file) {
            (Some(_), Some(file)) => {
                fields.reports.at(file, format!("both '{name}' and '{name_file}' are given"), "remove one of them");
                None
            }
            (Some(given), None) => {
                // A trailing line feed comes with every `echo`, and is in no header that a client would send.
                String::decode(given, fields.reports).map(|text| Some(Secret::new(text.trim_end())))
            }
            (None, Some(file)) => self.file(file, fields.reports).map(Some),
            (None, None) => Some(None),
        }
    }

    /// The secret in the file that a value names.
    pub fn file(&self, node: &Node, reports: &Reports) -> Option<Secret> {
        let path = String::decode(node, reports)?;
        let text = self.variables.get(&path);
        if text.is_none() {
            reports.at(node, format!("the file {path} cannot be read"), "make it, and let oncalld read it");
        }
        text.map(|text| Secret::new(text.trim_end()))
    }
}

/// Files with secrets that settings name.
pub(super) fn files(settings: &Node) -> Vec<String> {
    let mut found = Vec::new();
    walk(settings, &mut |name, value| {
        let names_secret = name.ends_with("_file") && !NOT_SECRETS.contains(&name) || name == "file";
        if let (true, Some(path)) = (names_secret, value.text()) {
            found.push(path.to_owned());
        }
    });
    found
}

fn walk(node: &Node, visit: &mut impl FnMut(&str, &Node)) {
    match &node.content {
        Content::Fields(fields) => {
            for (key, value) in fields {
                visit(&key.name, value);
                walk(value, visit);
            }
        }
        Content::List(items) => items.iter().for_each(|item| walk(item, visit)),
        _ => {}
    }
}

/// Puts variables where texts have `${NAME}` or `${NAME:-default}`. `${{ … }}` is CEL and stays.
pub(super) fn substitute(node: &mut Node, variables: &BTreeMap<String, String>, reports: &Reports) {
    let replaced = match &mut node.content {
        Content::Text(text) => substituted(text, variables),
        Content::List(items) => {
            items.iter_mut().for_each(|item| substitute(item, variables, reports));
            return;
        }
        Content::Fields(fields) => {
            fields.iter_mut().for_each(|(_, value)| substitute(value, variables, reports));
            return;
        }
        _ => return,
    };
    match replaced {
        Ok(None) => {}
        Ok(Some(text)) => node.content = Content::Text(text),
        Err(problem) => reports.at(node, problem, "set the variable, or give a default: ${NAME:-default}"),
    }
}

/// The text with variables in it; `None` if it has none.
fn substituted(text: &str, variables: &BTreeMap<String, String>) -> Result<Option<String>, String> {
    let mut result = String::new();
    let mut rest = text;
    let mut found = false;
    while let Some(start) = rest.find("${") {
        let after = &rest[start + 2..];
        result.push_str(&rest[..start]);
        if after.starts_with('{') {
            // An expression ends with two braces.
            let end = after.find("}}").map_or(after.len(), |end| end + 2);
            result.push_str("${");
            result.push_str(&after[..end]);
            rest = &after[end..];
            continue;
        }
        let end = after.find('}').ok_or_else(|| "a '${' has no '}'".to_owned())?;
        let (name, default) = match after[..end].split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (&after[..end], None),
        };
        let value = variables.get(name).map(String::as_str).filter(|value| !value.is_empty() || default.is_none());
        result.push_str(value.or(default).ok_or_else(|| format!("the environment has no variable {name}"))?);
        rest = &after[end + 1..];
        found = true;
    }
    result.push_str(rest);
    Ok(found.then_some(result))
}

/// Whether a document takes a variable by `${NAME}`.
pub(super) fn mentions(node: &Node, name: &str) -> bool {
    match &node.content {
        Content::Text(text) => {
            let forms = [format!("${{{name}}}"), format!("${{{name}:-")];
            forms.iter().any(|form| text.contains(form.as_str()))
        }
        Content::List(items) => items.iter().any(|item| mentions(item, name)),
        Content::Fields(fields) => fields.iter().any(|(_, value)| mentions(value, name)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_put_in_and_expressions_stay() {
        let variables = BTreeMap::from([("HOST".to_owned(), "db".to_owned()), ("EMPTY".to_owned(), String::new())]);
        let put = |text: &str| substituted(text, &variables);
        assert_eq!(put("tcp://${HOST}:${PORT:-5432}"), Ok(Some("tcp://db:5432".into())));
        assert_eq!(put("${EMPTY:-x}${EMPTY}"), Ok(Some("x".into())));
        assert_eq!(put("${{ target.name }}"), Ok(None));
        assert_eq!(put("${{ a }} ${HOST}"), Ok(Some("${{ a }} db".into())));
        assert_eq!(put("${NONE}"), Err("the environment has no variable NONE".into()));
        assert!(put("${HOST").is_err());
    }
}
