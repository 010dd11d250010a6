//! What was seen, what it means, and how it ended.

use super::{Digest, StepId, Timestamp, Values};
use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

/// The captured result of a step: typed facts in the journal, the whole in the content-addressed store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Evidence {
    /// The step that it came from; also its citation.
    pub step: StepId,
    /// The name under which expressions see it.
    pub name: String,
    /// The operation.
    pub operation: String,
    /// The target.
    pub target: String,
    /// When it was read.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// The operation's declared result, redacted and capped.
    #[schema(value_type = Object)]
    pub facts: Values,
    /// What was run, as a person would type it.
    pub commands: Vec<String>,
    /// Digest of the whole captured result in the content-addressed store.
    pub digest: Digest,
    /// Whether the facts were cut to fit.
    pub truncated: bool,
}

/// What differs from when the target was last good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Difference {
    /// What is: the evidence.
    pub evidence: StepId,
    /// What was: evidence of an incident that ended well, read by a check that held, or where no fault was found.
    pub since: StepId,
    /// When that was read.
    #[schema(value_type = String, format = DateTime)]
    pub good_at: Timestamp,
    /// The field.
    pub field: String,
    /// Its value then.
    pub was: String,
    /// Its value now.
    pub is: String,
}

/// A claim that cites evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Finding {
    /// Id in its runbook, or of a model's answer.
    pub id: String,
    /// The runbook; empty where a model claims it.
    pub runbook: String,
    /// The claim, in one sentence.
    pub summary: String,
    /// The cause that it claims, if it claims one.
    pub cause: Option<Cause>,
    /// Steps whose evidence it rests on; never empty.
    pub cites: Vec<StepId>,
    /// The model that claims it, as the configuration names it; none where a rule shows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

impl Finding {
    /// Whether a model claims it, rather than a rule that somebody wrote and the evidence satisfies.
    pub fn is_claimed(&self) -> bool {
        self.runbook.is_empty()
    }

    /// The cause to go by: the one with the highest confidence, the first of equals. What a model claims counts only
    /// where no rule shows a cause, however sure the model is.
    pub fn surest(findings: &[Self]) -> Option<(&Self, &Cause)> {
        let causes = findings.iter().filter_map(|finding| Some((finding, finding.cause.as_ref()?)));
        let rank = |finding: &Self, cause: &Cause| (!finding.is_claimed(), cause.confidence);
        causes.reduce(|best, next| if rank(next.0, next.1) > rank(best.0, best.1) { next } else { best })
    }
}

/// Why something is wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Cause {
    /// Code, such as `memory_limit_too_small`.
    pub code: String,
    /// From 0 to 1.
    pub confidence: f64,
    /// One sentence.
    pub summary: String,
    /// What to change so that it does not happen again.
    pub prevention: String,
}

/// How an incident ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The remedy's verification held through its soak, and an independent signal agrees.
    Resolved,
    /// The verification held; nothing independent proves it.
    Mitigated,
    /// The cause is known or not, and the fault is still there.
    Unresolved,
    /// Everything that was looked at is as it should be.
    NoFault,
    /// Not enough could be seen to say.
    Inconclusive,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Resolved, Self::Mitigated, Self::Unresolved, Self::NoFault, Self::Inconclusive];

    /// Whether nothing is wrong any more, or nothing was.
    pub fn is_well(self) -> bool {
        matches!(self, Self::Resolved | Self::Mitigated | Self::NoFault)
    }

    /// As in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resolved => "resolved",
            Self::Mitigated => "mitigated",
            Self::Unresolved => "unresolved",
            Self::NoFault => "no_fault",
            Self::Inconclusive => "inconclusive",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
