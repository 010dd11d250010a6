//! The body of a webhook, as `template` of a channel in `platform.yml` gives it.
//!
//! ```yaml
//! template: '{"text": "${{ title }}", "link": "${{ link }}"}'
//! ```
//!
//! A template that is JSON stays JSON whatever a title holds, because holes are filled in values, not in text.

use crate::{
    domain::{
        Shape::{self, Integer, String as Text, Timestamp},
        Values,
    },
    expr::{Bindings, Scope, Template},
};
use serde_json::Value;
use std::sync::LazyLock;

/// What a template sees: the fields of a message.
static FIELDS: LazyLock<Vec<(&str, Shape)>> = LazyLock::new(|| {
    let approval = Shape::object([
        ("id", Text),
        ("step", Text),
        ("operation", Text),
        ("target", Text),
        ("command", Text),
        ("undo", Text),
        ("diff", Text.list()),
        ("risk", Text),
        ("reason", Text),
        ("digest", Text),
        ("quorum", Integer),
        ("role", Text),
        ("expires_at", Timestamp),
    ]);
    vec![
        ("subject", Text),
        ("incident", Text),
        ("environment", Text),
        ("service", Text),
        ("severity", Text),
        ("title", Text),
        ("body", Text),
        ("link", Text.nullable()),
        ("approval", approval.nullable()),
    ]
});

/// A compiled body.
#[derive(Clone, Debug, PartialEq)]
pub struct BodyTemplate {
    template: Template,
    json: bool,
}

impl BodyTemplate {
    /// Compiles the text of a template.
    ///
    /// # Errors
    /// What is wrong with which expression.
    pub fn compile(text: &str) -> Result<Self, String> {
        let scope = FIELDS.iter().fold(Scope::new(), |scope, (name, shape)| scope.with(*name, shape.clone()));
        let parsed: Option<Value> = serde_json::from_str(text).ok();
        let json = parsed.is_some();
        let value = parsed.unwrap_or_else(|| Value::String(text.to_owned()));
        let template = Template::compile(&value, &scope).map_err(|errors| {
            let errors = errors.into_iter().map(|(path, error)| {
                if path.is_empty() { error.message } else { format!("{path}: {}", error.message) }
            });
            errors.collect::<Vec<_>>().join("; ")
        })?;
        Ok(Self { template, json })
    }

    /// Whether what it renders to is JSON.
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// The body for a message, given its fields.
    ///
    /// # Errors
    /// An expression has no value, such as `approval.id` where nothing waits for approval.
    pub fn render(&self, message: &Values) -> Result<String, String> {
        let mut bindings = Bindings::new();
        for (name, shape) in FIELDS.iter() {
            bindings.set(*name, message.get(*name).unwrap_or(&Value::Null), shape);
        }
        match self.template.render(&bindings).map_err(|error| error.to_string())? {
            Value::String(text) if !self.json => Ok(text),
            value => Ok(value.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn message() -> Values {
        let message = json!({
            "subject": "escalation:1", "incident": "inc_1", "environment": "shop", "service": "api", "severity": "page",
            "title": "say \"hi\"\n${{ body }}", "body": "b", "link": null, "approval": null,
        });
        message.as_object().unwrap().clone()
    }

    #[test]
    fn json_stays_json_whatever_is_filled_in() {
        let body = BodyTemplate::compile(
            r#"{"text": "${{ title }}", "all": "${{ severity }}: ${{ service }}", "link": "${{ link }}",
                "id": "${{ approval == null ? 'none' : approval.id }}"}"#,
        )
        .unwrap();
        assert!(body.is_json());
        let rendered: Value = serde_json::from_str(&body.render(&message()).unwrap()).unwrap();
        let expected = json!({"text": message()["title"], "all": "page: api", "link": null, "id": "none"});
        assert_eq!(rendered, expected);
    }

    #[test]
    fn text_is_text_and_mistakes_are_found_at_load() {
        let body = BodyTemplate::compile("${{ service }} needs help").unwrap();
        assert_eq!((body.is_json(), body.render(&message())), (false, Ok("api needs help".into())));
        let error = BodyTemplate::compile(r#"{"a": {"b": "${{ titel }}"}}"#).unwrap_err();
        assert!(error.starts_with("a.b: ") && error.contains("titel"), "{error}");
        assert!(BodyTemplate::compile("${{ approval.id }}").unwrap().render(&message()).is_err());
    }
}
