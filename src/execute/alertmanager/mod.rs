//! `alertmanager.*`: alerts and silences over Alertmanager's v2 API.

use super::{
    ExecuteError, Executor, Probed,
    endpoint::{Endpoint, EndpointError, send},
    matcher::{Comparison, Matcher, group_labels},
};
use crate::{
    config::Credentials,
    domain::{ActCall, Alert, Labels, ReadCall, TimeSpan, Timestamp, Values, clean_text},
    gate::Cleared,
    intake::{Rejected, further_alerts},
};
use futures_util::future::{BoxFuture, FutureExt};
use serde::Deserialize;
use serde_json::{Value, json};

/// Alerts in a result; more are counted.
const MOST_ALERTS: usize = 200;

/// What a label's value is cut to.
const LONGEST_VALUE: usize = 500;

/// Who made a silence, as Alertmanager shows it.
const CREATOR: &str = "oncalld";

/// The Alertmanager of one environment.
#[derive(Clone, Debug)]
pub struct Alertmanager {
    endpoint: Endpoint,
}

impl Alertmanager {
    /// The Alertmanager at an address from the configuration.
    ///
    /// # Errors
    /// The address or the token cannot be one.
    pub fn new(address: &str, credentials: Option<&Credentials>, timeout: TimeSpan) -> Result<Self, String> {
        let endpoint = Endpoint::new(address, credentials, timeout.as_std());
        Ok(Self { endpoint: endpoint.map_err(|problem| format!("Alertmanager: {problem}"))? })
    }

    /// All alerts of a group that fire, where a webhook's body left some out, and those that could not be understood.
    /// `group_key` is the one of the webhook.
    ///
    /// # Errors
    /// The group key is not Alertmanager's, or Alertmanager does not answer.
    pub async fn fetch_group(&self, group_key: &str) -> Result<(Vec<Alert>, Vec<Rejected>), ExecuteError> {
        const CALL: &str = "alertmanager.alerts";
        let labels = group_labels(group_key).ok_or_else(|| {
            ExecuteError::permanent(CALL, "the sender's group key does not tell the group's labels; none were fetched")
        })?;
        let matchers = labels.into_iter().map(|(name, value)| Matcher::equal(name, value).to_string());
        let answer = self.alerts_of(&matchers.collect::<Vec<_>>()).await.map_err(|error| reading(CALL, &error))?;
        further_alerts(&answer).map_err(|error| ExecuteError::permanent(CALL, error))
    }

    /// Posts alerts as a Prometheus would.
    ///
    /// # Errors
    /// Alertmanager does not answer, or refuses them.
    pub async fn post_alerts(&self, alerts: &Value) -> Result<(), EndpointError> {
        send(self.endpoint.post("/api/v2/alerts").json(alerts)).await.map(drop)
    }

    /// Labels of the alerts that it holds and that match.
    ///
    /// # Errors
    /// Alertmanager does not answer.
    pub async fn labels_of(&self, matchers: &[Matcher]) -> Result<Vec<Labels>, EndpointError> {
        let matchers: Vec<String> = matchers.iter().map(Matcher::to_string).collect();
        let held: Vec<HeldAlert> = serde_json::from_slice(&self.alerts_of(&matchers).await?)
            .map_err(|error| EndpointError::NoAnswer(format!("it is not Alertmanager's: {error}")))?;
        Ok(held.into_iter().map(|alert| alert.labels).collect())
    }

    async fn alerts_of(&self, matchers: &[String]) -> Result<Vec<u8>, EndpointError> {
        let filters: Vec<(&str, &str)> = matchers.iter().map(|matcher| ("filter", matcher.as_str())).collect();
        send(self.endpoint.get("/api/v2/alerts", &filters)).await
    }

    async fn alerts(&self, matchers: &[String]) -> Result<Values, ExecuteError> {
        let call = "alertmanager.alerts";
        parsed(call, matchers)?;
        let answer = self.alerts_of(matchers).await.map_err(|error| reading(call, &error))?;
        let held: Vec<HeldAlert> = decode(call, &answer)?;
        let firing = held.iter().filter(|alert| !alert.status.silenced() && !alert.status.inhibited()).count();
        let shown: Vec<Value> = held.iter().take(MOST_ALERTS).map(HeldAlert::shown).collect();
        Ok(Values::from_iter([
            ("truncated".to_owned(), json!(held.len() > shown.len())),
            ("alerts".to_owned(), json!(shown)),
            ("count".to_owned(), json!(held.len())),
            ("firing".to_owned(), json!(firing)),
        ]))
    }

    async fn silence(
        &self,
        matchers: &[String],
        duration: TimeSpan,
        comment: &str,
        now: Timestamp,
    ) -> Result<Values, ExecuteError> {
        let call = "alertmanager.silence";
        let matchers = parsed(call, matchers)?;
        if !matchers.iter().any(|matcher| matcher.comparison == Comparison::Equal && !matcher.value.is_empty()) {
            let problem = "it would silence more than one thing; name at least one label with = and a value";
            return Err(ExecuteError::permanent(call, problem));
        }
        let matchers: Vec<Value> = matchers.iter().map(as_api).collect();
        let silence = json!({
            "matchers": matchers, "startsAt": now, "endsAt": now + duration.as_chrono(),
            "createdBy": CREATOR, "comment": comment,
        });
        let request = self.endpoint.post("/api/v2/silences").json(&silence);
        let answer = send(request).await.map_err(|error| acting(call, &error))?;
        #[derive(Deserialize)]
        struct Made {
            #[serde(rename = "silenceID")]
            id: String,
        }
        let made: Made = serde_json::from_slice(&answer)
            .map_err(|error| ExecuteError::unknown(call, format!("Alertmanager's answer is not its own: {error}")))?;
        Ok(acted(true, format!("silenced for {duration}"), made.id))
    }

    async fn unsilence(&self, comment: &str) -> Result<Values, ExecuteError> {
        let call = "alertmanager.unsilence";
        let ours = self.silences(call, comment).await?;
        let mut ended = Vec::new();
        for silence in ours.into_iter().filter(Silence::holds) {
            // The id goes into a path.
            if !silence.id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
                return Err(ExecuteError::permanent(call, "Alertmanager gave a silence an id that is none"));
            }
            let request = self.endpoint.delete(&format!("/api/v2/silence/{}", silence.id));
            send(request).await.map_err(|error| acting(call, &error))?;
            ended.push(silence.id);
        }
        let detail = if ended.is_empty() { "it had ended already" } else { "ended" };
        Ok(acted(!ended.is_empty(), detail.into(), ended.join(" ")))
    }

    /// Silences that oncalld made with this comment.
    async fn silences(&self, call: &str, comment: &str) -> Result<Vec<Silence>, ExecuteError> {
        let answer = send(self.endpoint.get("/api/v2/silences", &[])).await.map_err(|error| reading(call, &error))?;
        let mut all: Vec<Silence> = decode(call, &answer)?;
        all.retain(|silence| silence.created_by == CREATOR && silence.comment == comment);
        Ok(all)
    }
}

impl Executor for Alertmanager {
    fn families(&self) -> &'static [&'static str] {
        &["alertmanager"]
    }

    fn read<'a>(&'a self, call: &'a ReadCall) -> BoxFuture<'a, Result<Values, ExecuteError>> {
        async move {
            match call {
                ReadCall::AlertmanagerAlerts { matchers } => self.alerts(matchers).await,
                other => Err(not_served(other.name())),
            }
        }
        .boxed()
    }

    fn act(&self, cleared: Cleared) -> BoxFuture<'_, Result<Values, ExecuteError>> {
        async move {
            match cleared.call() {
                ActCall::AlertmanagerSilence { matchers, duration, comment } => {
                    self.silence(matchers, *duration, comment, chrono::Utc::now()).await
                }
                ActCall::AlertmanagerUnsilence { comment } => self.unsilence(comment).await,
                other => Err(not_served(other.name())),
            }
        }
        .boxed()
    }

    /// The comment is unique to the step, so a silence with it tells that it was made, and by whom.
    fn probe<'a>(&'a self, call: &'a ActCall) -> BoxFuture<'a, Result<Option<Probed>, ExecuteError>> {
        async move {
            Ok(Some(match call {
                ActCall::AlertmanagerSilence { comment, .. } => {
                    let made = !self.silences(call.name(), comment).await?.is_empty();
                    if made { Probed::Happened } else { Probed::NotHappened }
                }
                ActCall::AlertmanagerUnsilence { comment } => {
                    let holds = self.silences(call.name(), comment).await?.iter().any(Silence::holds);
                    if holds { Probed::NotHappened } else { Probed::Happened }
                }
                _ => return Ok(None),
            }))
        }
        .boxed()
    }
}

/// An alert as `GET /api/v2/alerts` gives it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HeldAlert {
    labels: Labels,
    starts_at: Timestamp,
    status: HeldStatus,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct HeldStatus {
    state: String,
    #[serde(default)]
    silenced_by: Vec<String>,
    #[serde(default)]
    inhibited_by: Vec<String>,
}

impl HeldStatus {
    fn silenced(&self) -> bool {
        !self.silenced_by.is_empty()
    }

    fn inhibited(&self) -> bool {
        !self.inhibited_by.is_empty()
    }
}

impl HeldAlert {
    fn shown(&self) -> Value {
        let clean = |text: &String| clean_text(text, LONGEST_VALUE);
        let labels: Labels = self.labels.iter().map(|(name, value)| (clean(name), clean(value))).collect();
        json!({
            "name": labels.get("alertname").map_or("unnamed", String::as_str),
            "state": self.status.state,
            "starts_at": self.starts_at,
            "silenced": self.status.silenced(),
            "inhibited": self.status.inhibited(),
            "labels": labels,
        })
    }
}

/// A silence as `GET /api/v2/silences` gives it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Silence {
    id: String,
    #[serde(default)]
    created_by: String,
    #[serde(default)]
    comment: String,
    status: SilenceStatus,
}

#[derive(Deserialize)]
struct SilenceStatus {
    state: String,
}

impl Silence {
    fn holds(&self) -> bool {
        self.status.state != "expired"
    }
}

fn as_api(matcher: &Matcher) -> Value {
    let (is_equal, is_regex) = match matcher.comparison {
        Comparison::Equal => (true, false),
        Comparison::NotEqual => (false, false),
        Comparison::Matches => (true, true),
        Comparison::NotMatches => (false, true),
    };
    json!({"name": matcher.name, "value": matcher.value, "isEqual": is_equal, "isRegex": is_regex})
}

fn parsed(call: &str, matchers: &[String]) -> Result<Vec<Matcher>, ExecuteError> {
    matchers.iter().map(|text| text.parse().map_err(|problem| ExecuteError::permanent(call, problem))).collect()
}

fn decode<T: serde::de::DeserializeOwned>(call: &str, body: &[u8]) -> Result<T, ExecuteError> {
    serde_json::from_slice(body)
        .map_err(|error| ExecuteError::permanent(call, format!("the answer is not Alertmanager's: {error}")))
}

fn reading(call: &str, error: &EndpointError) -> ExecuteError {
    let problem = format!("Alertmanager: {error}");
    if error.may_pass() { ExecuteError::transient(call, problem) } else { ExecuteError::permanent(call, problem) }
}

fn acting(call: &str, error: &EndpointError) -> ExecuteError {
    let problem = format!("Alertmanager: {error}");
    match (error.certainly_not_done(), error.may_pass()) {
        (true, true) => ExecuteError::transient(call, problem),
        (true, false) => ExecuteError::permanent(call, problem),
        (false, _) => ExecuteError::unknown(call, problem),
    }
}

fn acted(changed: bool, detail: String, id: String) -> Values {
    Values::from_iter([
        ("changed".to_owned(), json!(changed)),
        ("detail".to_owned(), json!(detail)),
        ("id".to_owned(), json!(id)),
    ])
}

fn not_served(call: &str) -> ExecuteError {
    ExecuteError::permanent(call, "Alertmanager does not serve this call")
}

#[cfg(test)]
mod tests;
