//! A question to a model as its server sees it: what it offers, answers that can be made of it, and whether a vendor would
//! take it.

use crate::support::strict_schema::violations;
use serde_json::{Value, json};

/// A question as it came over the wire.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Method, path and query.
    pub line: String,
    /// Headers, names in lower case, sorted.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Value,
    /// The body as it was sent.
    pub sent: String,
}

impl Asked {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }

    /// The form of the answer that was asked for, in either dialect; null if it is not enforced.
    pub fn schema(&self) -> &Value {
        let places = ["/response_format/json_schema/schema", "/output_config/format/schema"];
        places.iter().find_map(|place| self.body.pointer(place)).unwrap_or(&Value::Null)
    }

    /// What is asked for: `proposal`, `claims` or `summary`; nothing if its form is not enforced.
    pub fn form(&self) -> &'static str {
        let properties = &self.schema()["properties"];
        let named = [("steps", "proposal"), ("findings", "claims"), ("summary", "summary")];
        named.into_iter().find(|(field, _)| !properties[field].is_null()).map_or("", |(_, form)| form)
    }

    /// Everything that the model is told, of all roles.
    pub fn text(&self) -> String {
        let system = self.body["system"].as_str().unwrap_or_default();
        let messages = self.body["messages"].as_array().into_iter().flatten();
        let said = messages.map(|message| message["content"].as_str().unwrap_or_default());
        std::iter::once(system).chain(said).collect::<Vec<_>>().join("\n")
    }

    /// Operations that are offered.
    pub fn operations(&self) -> Vec<&str> {
        self.steps().filter_map(|step| step.pointer("/properties/operation/enum/0")?.as_str()).collect()
    }

    /// Services that are offered.
    pub fn targets(&self) -> Vec<&str> {
        words(&self.schema()["$defs"]["target"]["enum"])
    }

    /// Names of the steps that may be kept.
    pub fn planned(&self) -> Vec<&str> {
        words(&self.schema()["properties"]["keep"]["items"]["enum"])
    }

    /// Remedies that are offered, `runbook/remedy`.
    pub fn remedies(&self) -> Vec<&str> {
        let offered = self.schema()["properties"]["remedy"]["anyOf"].as_array().into_iter().flatten();
        offered.filter_map(|remedy| remedy.pointer("/properties/id/enum/0")?.as_str()).collect()
    }

    /// Cause codes that may be claimed.
    pub fn causes(&self) -> Vec<&str> {
        let cause = "/properties/findings/items/properties/cause/anyOf/0/properties/code/enum";
        self.schema().pointer(cause).map(words).unwrap_or_default()
    }

    /// The id of the last evidence that a step of this name gave, as it is told.
    pub fn evidence(&self, step: &str) -> Option<String> {
        let text = self.text();
        let heads = text.lines().filter_map(|line| line.strip_prefix("### Evidence ")?.split_once(": "));
        let mut of_step = heads.filter(|(_, rest)| rest.split(" = ").next() == Some(step));
        of_step.next_back().map(|(id, _)| id.to_owned())
    }

    /// A proposal that leaves everything as it is planned.
    pub fn proposal(&self) -> Value {
        json!({"summary": "as it is planned", "keep": self.planned(), "steps": [], "remedy": null, "windows": []})
    }

    /// A step of an operation that is offered, in the first phase that can still be planned, with the first target that
    /// is offered, if it takes any, and no arguments.
    pub fn step(&self, name: &str, operation: &str) -> Value {
        let is_it = |step: &&Value| step["properties"]["operation"]["enum"][0] == operation;
        let form = self.steps().find(is_it).unwrap_or_else(|| panic!("{operation} is not offered"));
        let fields = &form["properties"];
        let target = if fields["target"]["type"] == "null" { None } else { self.targets().first().copied() };
        let arguments = fields["arguments"]["properties"].as_object().into_iter().flatten();
        let arguments: serde_json::Map<String, Value> =
            arguments.map(|(name, _)| (name.clone(), Value::Null)).collect();
        json!({
            "name": name, "operation": operation, "phase": fields["phase"]["enum"][0], "target": target,
            "arguments": arguments, "reason": "to be sure",
            "expects": {"when": null, "success": null, "duration": "5s", "meanings": []},
        })
    }

    fn steps(&self) -> impl Iterator<Item = &Value> {
        self.schema()["properties"]["steps"]["items"]["anyOf"].as_array().into_iter().flatten()
    }
}

fn words(values: &Value) -> Vec<&str> {
    values.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// Claims of one cause that this evidence shows.
pub fn claims(summary: &str, cites: &[String], code: &str, confidence: f64) -> Value {
    let cause = json!({"code": code, "confidence": confidence});
    json!({"summary": summary, "findings": [{"summary": summary, "cites": cites, "cause": cause}]})
}

/// An answer that adds nothing, whoever is asked.
pub fn nothing_new(asked: &Asked) -> Value {
    match asked.form() {
        "proposal" => asked.proposal(),
        "claims" => json!({"summary": "nothing new", "findings": []}),
        _ => json!({"summary": "It was down, and it is up again."}),
    }
}

/// Everything for which a vendor would refuse the question.
pub fn faults(asked: &Asked) -> Vec<String> {
    let body = &asked.body;
    let mut faults = Vec::new();
    let mut wanted = |holds: bool, what: &str| {
        if !holds {
            faults.push(format!("{}: {what}: {body}", asked.line));
        }
    };
    wanted(body["model"].as_str().is_some_and(|model| !model.is_empty()), "it names no model");
    let limits = ["max_tokens", "max_completion_tokens"].map(|limit| body[limit].as_u64());
    wanted(limits.iter().flatten().count() == 1, "it has not one limit");
    let messages = body["messages"].as_array().map_or(&[][..], Vec::as_slice);
    wanted(messages.last().is_some_and(|last| last["role"] == "user"), "the last word is not the user's");
    let said = |message: &Value| message["content"].as_str().is_some_and(|text| !text.is_empty());
    wanted(messages.iter().all(said), "a message is empty");
    let schema = asked.schema();
    let in_words = asked.text().contains("It has this JSON Schema:");
    wanted(schema.is_object() || in_words, "it does not say what form the answer has");
    let form = &body["response_format"];
    wanted(
        form.is_null() || (form["type"] == "json_schema" && form["json_schema"]["strict"] == true),
        "it is not strict",
    );
    if schema.is_object() {
        faults.extend(
            violations(schema, &asked.sent).into_iter().map(|fault| format!("{}: its schema: {fault}", asked.line)),
        );
    }
    faults
}
