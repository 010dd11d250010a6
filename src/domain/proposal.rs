//! What a model proposes. Nothing of it is done because a model said so: [`crate::plan`] makes a plan of what is valid.

use super::{PhaseName, StepId, TimeSpan, Values};
use serde::{Deserialize, Deserializer, Serialize, de::IntoDeserializer as _};
use utoipa::ToSchema;

/// What a planner wants to look at next, and which remedy it would try.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// What it thinks, for people.
    pub summary: String,
    /// Names of planned steps that are still worth taking; the others are dropped.
    pub keep: Vec<String>,
    /// Steps that only read, to be taken besides.
    pub steps: Vec<ProposedStep>,
    /// The remedy that it would try first, of those that it was offered.
    pub remedy: Option<ProposedRemedy>,
    /// Parts of large results that it wants to see before it goes on.
    pub windows: Vec<Window>,
}

/// One look.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProposedStep {
    /// The name under which later expressions see the result.
    pub name: String,
    /// When.
    pub phase: PhaseName,
    /// The operation.
    pub operation: String,
    /// The service looked at; none for an operation on the environment itself.
    pub target: Option<String>,
    /// Its arguments; what is null is left out.
    #[schema(value_type = Object)]
    pub arguments: Values,
    /// Why.
    pub reason: String,
    /// What the model expects of it.
    pub expects: Expectation,
}

/// What a model expects of a step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// Whether the step is worth it, by what was seen before it: CEL.
    #[serde(deserialize_with = "said")]
    pub when: Option<String>,
    /// Whether what it shows is as it should be: CEL, which sees the step's own result too.
    #[serde(deserialize_with = "said")]
    pub success: Option<String>,
    /// About how long it takes.
    #[schema(value_type = Option<String>)]
    #[serde(deserialize_with = "said")]
    pub duration: Option<TimeSpan>,
    /// What each result would mean.
    pub meanings: Vec<Meaning>,
}

/// What a result would mean.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Meaning {
    /// The result: in words, or as a condition over results (CEL).
    pub result: String,
    /// Its meaning.
    pub meaning: String,
}

/// What came of what a model expected of a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Judged {
    /// Whether its criterion of success held; none where it named none, or where that cannot be told.
    pub held: Option<bool>,
    /// Why that cannot be told.
    pub problem: Option<String>,
    /// Which of the meanings that it gave applies, where its result is a condition that holds.
    pub meaning: Option<String>,
}

impl Judged {
    /// For people: `not as the model expected`.
    pub fn words(&self) -> String {
        let mut words: Vec<String> = match (self.held, &self.problem) {
            (Some(true), _) => vec!["as the model expected".to_owned()],
            (Some(false), _) => vec!["not as the model expected".to_owned()],
            (None, Some(problem)) => vec![format!("whether it is as the model expected cannot be told: {problem}")],
            (None, None) => Vec::new(),
        };
        words.extend(self.meaning.as_ref().map(|meaning| format!("by the model, this means: {meaning}")));
        words.join("; ")
    }
}

/// A remedy of a runbook, with what its steps leave to be chosen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProposedRemedy {
    /// `runbook/remedy`.
    pub id: String,
    /// What it chooses of what the remedy's steps leave open, by parameter; what is null is left as it is.
    #[schema(value_type = Object)]
    pub arguments: Values,
    /// Why this one.
    pub reason: String,
}

/// Lines of a captured result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Window {
    /// The evidence.
    pub evidence: StepId,
    /// The first line, from 1.
    pub first: u64,
    /// How many.
    pub lines: u64,
}

/// What an analyst concludes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// What it thinks, for people.
    pub summary: String,
    /// Its claims.
    pub findings: Vec<Claim>,
}

/// One claim.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// One sentence.
    pub summary: String,
    /// Evidence that it rests on.
    pub cites: Vec<StepId>,
    /// The cause that it claims, if it claims one.
    pub cause: Option<ClaimedCause>,
}

/// A cause that a model claims.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimedCause {
    /// A code of the catalogue.
    pub code: String,
    /// From 0 to 1.
    pub confidence: f64,
}

/// A text, or nothing where it is null or empty: the form of an answer has plain texts, since vendors bound unions.
fn said<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?.filter(|text| !text.trim().is_empty());
    text.map(|text| T::deserialize(text.into_deserializer())).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_text_expects_nothing() {
        let read = |json: &str| serde_json::from_str::<Expectation>(json).map_err(|error| error.to_string());
        let empty = read(r#"{"when": "", "success": " ", "duration": "", "meanings": []}"#);
        assert_eq!(empty, Ok(Expectation::default()));
        assert_eq!(read(r#"{"when": null, "success": null, "duration": null, "meanings": []}"#), empty);
        let said = read(r#"{"when": "a > 1", "success": "", "duration": "5s", "meanings": []}"#).expect("valid");
        assert_eq!((said.when.as_deref(), said.duration), (Some("a > 1"), Some(TimeSpan::from_secs(5))));
        assert!(read(r#"{"when": "", "success": "", "duration": "soon", "meanings": []}"#).is_err());
    }
}
