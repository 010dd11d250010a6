//! Values from outside the files: `${NAME}` from the environment, and secrets from files of their own (`…_file`).

use crate::config::{Secret, Sources};
use crate::document::{Content, Decode as _, Fields, Node, Place, Reports};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// Keys that end in `_file` and name no secret.
const NOT_SECRETS: &[&str] = &["log_file"];

/// The texts of secret files, by path, among the variables.
pub(super) struct Files<'a> {
    variables: &'a BTreeMap<String, String>,
    /// Where secrets stand in the settings themselves, and what may be kept in their place.
    written: RefCell<BTreeMap<Place, &'static str>>,
}

/// What is kept in the place of a secret. As long as the shortest token, so that the rest can be read again.
pub(super) const NOT_KEPT: &str = "[secret, not kept]";

/// What is kept in the place of an address that is a secret as a whole.
const ADDRESS_NOT_KEPT: &str = "https://not-kept.invalid";

impl<'a> Files<'a> {
    pub fn of(variables: &'a BTreeMap<String, String>) -> Self {
        Self { variables, written: RefCell::default() }
    }

    /// An address whose path often is the secret, as those of chat services are.
    pub fn address(&self, node: &Node) {
        self.written.borrow_mut().insert(node.place.clone(), ADDRESS_NOT_KEPT);
    }

    fn note(&self, node: &Node) {
        self.written.borrow_mut().insert(node.place.clone(), NOT_KEPT);
    }

    /// The texts without the secrets that stand in them. Of a document that has one, only what it means is kept: a
    /// secret can be folded, escaped or repeated in a comment.
    pub fn taken_out_of(&self, sources: Sources, documents: &BTreeMap<&str, Node>) -> Sources {
        let written = self.written.borrow();
        let mut files: BTreeSet<&str> = BTreeSet::new();
        files.extend(written.keys().map(|place| &*place.file));
        let clean = |path: &str| {
            let mut node = documents.get(path).filter(|_| files.contains(path))?.clone();
            blank(&mut node, &written).then(|| node.to_json().to_string())
        };
        let cleaned: Vec<(String, String)> =
            sources.0.keys().filter_map(|path| Some((path.clone(), clean(path)?))).collect();
        let mut sources = sources;
        sources.0.extend(cleaned);
        sources
    }
}

/// Puts something else where secrets stand; whether there was one. `${NAME}` says where it is, and is none.
fn blank(node: &mut Node, written: &BTreeMap<Place, &'static str>) -> bool {
    let instead = written.get(&node.place).copied();
    match &mut node.content {
        Content::List(items) => items.iter_mut().fold(false, |any, item| blank(item, written) | any),
        Content::Fields(fields) => fields.iter_mut().fold(false, |any, (_, value)| blank(value, written) | any),
        Content::Text(text) if only_names(text) => false,
        _ => match instead {
            Some(instead) => {
                node.content = Content::Text(instead.to_owned());
                true
            }
            None => false,
        },
    }
}

/// Whether a text is made of nothing but `${NAME}`. A default is part of the text.
fn only_names(text: &str) -> bool {
    let is_name = |part: &str| part.strip_suffix('}').is_some_and(|name| !name.contains([':', '{', '}', '$']));
    let mut parts = text.trim().split("${");
    parts.next() == Some("") && parts.all(is_name)
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
                self.note(given);
                // A trailing line feed comes with every `echo`, and is in no header that a client would send.
                String::decode(given, fields.reports).map(|text| Some(Secret::new(text.trim_end())))
            }
            (None, Some(file)) => self.file(file, fields.reports).map(Some),
            (None, None) => Some(None),
        }
    }

    /// A secret, or what may be one.
    pub fn text(&self, node: &Node, reports: &Reports) -> Option<Secret> {
        self.note(node);
        String::decode(node, reports).map(Secret::new)
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

/// Variables that texts take by `${NAME}` and that are not set.
pub(super) fn unset(node: &Node, variables: &BTreeMap<String, String>) -> BTreeSet<String> {
    match &node.content {
        Content::Text(text) => {
            let names = text.split("${").skip(1).filter_map(|rest| rest.split('}').next());
            let names = names.filter(|name| !name.starts_with('{') && !name.contains(":-"));
            names.filter(|name| !variables.contains_key(*name)).map(str::to_owned).collect()
        }
        Content::List(items) => items.iter().flat_map(|item| unset(item, variables)).collect(),
        Content::Fields(fields) => fields.iter().flat_map(|(_, value)| unset(value, variables)).collect(),
        _ => BTreeSet::new(),
    }
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
