//! `prometheus.query`: PromQL over the HTTP API of the Prometheus that the environment names.

use super::{
    ExecuteError, Executor, Probed,
    endpoint::{Endpoint, send},
};
use crate::{
    config::Credentials,
    domain::{ActCall, ReadCall, TimeSpan, Timestamp, Values, clean_text},
    gate::Cleared,
};
use futures_util::future::{BoxFuture, FutureExt};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

const CALL: &str = "prometheus.query";
const RULES: &str = "prometheus.rules";

/// Rules of one name; more is a mistake of whoever wrote them.
const MOST_RULES: usize = 20;

/// Series in a result; a query that gives more is too broad to be evidence, and says `truncated`.
const MOST_SERIES: usize = 100;

/// Points of a series where no step is given: as many as a graph shows.
const POINTS: u64 = 250;

/// Warnings that are kept, and how long each may be.
const MOST_WARNINGS: usize = 5;
const LONGEST_WARNING: usize = 300;

/// How much before our own deadline Prometheus gives up by itself, so that its reason arrives.
const MARGIN: Duration = Duration::from_millis(500);

/// The Prometheus of one environment.
#[derive(Clone, Debug)]
pub struct Prometheus {
    endpoint: Endpoint,
    timeout: Duration,
}

impl Prometheus {
    /// The Prometheus at an address from the configuration.
    ///
    /// # Errors
    /// The address or the token cannot be one.
    pub fn new(address: &str, credentials: Option<&Credentials>, timeout: TimeSpan) -> Result<Self, String> {
        let timeout = timeout.as_std();
        let endpoint =
            Endpoint::new(address, credentials, timeout).map_err(|problem| format!("Prometheus: {problem}"))?;
        Ok(Self { endpoint, timeout })
    }

    /// Runs a query: at `now`, or over the `range` that ends there.
    ///
    /// # Errors
    /// Prometheus does not answer (transient), or does not understand the query (permanent).
    pub async fn query(
        &self,
        query: &str,
        range: Option<TimeSpan>,
        step: Option<TimeSpan>,
        now: Timestamp,
    ) -> Result<Values, ExecuteError> {
        let seconds = |at: Timestamp| format!("{:.3}", at.timestamp_millis() as f64 / 1_000.0);
        let limit = self.timeout.saturating_sub(MARGIN).max(self.timeout / 2);
        let (limit, end) = (format!("{}ms", limit.as_millis()), seconds(now));
        let body = match range {
            None => {
                let fields = [("query", query), ("time", &end), ("timeout", &limit)];
                send(self.endpoint.post_form("/api/v1/query", &fields)).await
            }
            Some(range) => {
                let start = seconds(now - range.as_chrono());
                let step = step.unwrap_or_else(|| TimeSpan::from_secs((range.as_secs() / POINTS).max(1)));
                let step = format!("{}ms", step.as_std().as_millis().max(1));
                let fields = [("query", query), ("start", &start), ("end", &end), ("step", &step), ("timeout", &limit)];
                send(self.endpoint.post_form("/api/v1/query_range", &fields)).await
            }
        };
        let body = body.map_err(|error| {
            let problem = format!("Prometheus: {error}");
            if error.may_pass() {
                ExecuteError::transient(CALL, problem)
            } else {
                ExecuteError::permanent(CALL, problem)
            }
        })?;
        result(&body)
    }

    /// The alerting rules of a name.
    ///
    /// # Errors
    /// Prometheus does not answer (transient), or not as Prometheus does (permanent).
    pub async fn rules(&self, alert: &str) -> Result<Values, ExecuteError> {
        let body = send(self.endpoint.get("/api/v1/rules", &[("type", "alert")])).await;
        let body = body.map_err(|error| {
            let problem = format!("Prometheus: {error}");
            if error.may_pass() {
                ExecuteError::transient(RULES, problem)
            } else {
                ExecuteError::permanent(RULES, problem)
            }
        })?;
        rules_of(&body, alert)
    }
}

impl Executor for Prometheus {
    fn families(&self) -> &'static [&'static str] {
        &["prometheus"]
    }

    fn read<'a>(&'a self, call: &'a ReadCall) -> BoxFuture<'a, Result<Values, ExecuteError>> {
        async move {
            match call {
                ReadCall::PrometheusQuery { query, range, step } => {
                    self.query(query, *range, *step, chrono::Utc::now()).await
                }
                ReadCall::PrometheusRules { alert } => self.rules(alert).await,
                other => Err(ExecuteError::permanent(other.name(), "Prometheus does not serve this call")),
            }
        }
        .boxed()
    }

    fn act(&self, cleared: Cleared) -> BoxFuture<'_, Result<Values, ExecuteError>> {
        let call = cleared.call().name();
        async move { Err(ExecuteError::permanent(call, "Prometheus is only read")) }.boxed()
    }

    fn probe<'a>(&'a self, _call: &'a ActCall) -> BoxFuture<'a, Result<Option<Probed>, ExecuteError>> {
        async { Ok(None) }.boxed()
    }
}

#[derive(Deserialize)]
struct Answer {
    data: Data,
    #[serde(default)]
    warnings: Vec<String>,
    /// Newer versions tell of doubtful queries here.
    #[serde(default)]
    infos: Vec<String>,
}

#[derive(Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Data {
    Vector(Vec<Series>),
    Matrix(Vec<Series>),
    Scalar(Point),
    /// A constant text, which may be a figure too.
    String(Point),
}

#[derive(Deserialize)]
struct Series {
    #[serde(default)]
    metric: BTreeMap<String, String>,
    /// Absent for native histograms, whose buckets are no single figure.
    value: Option<Point>,
    #[serde(default)]
    values: Vec<Point>,
}

/// Seconds since 1970, and the figure as text, because JSON knows no infinity.
#[derive(Deserialize)]
struct Point(f64, String);

impl Point {
    fn figure(&self) -> Option<f64> {
        self.1.parse().ok().filter(|figure: &f64| figure.is_finite())
    }

    fn at(&self) -> Option<String> {
        let at = Timestamp::from_timestamp_millis((self.0 * 1_000.0).round() as i64);
        at.map(|at| at.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true))
    }
}

fn result(body: &[u8]) -> Result<Values, ExecuteError> {
    let answer: Answer = serde_json::from_slice(body)
        .map_err(|error| ExecuteError::permanent(CALL, format!("the answer is not Prometheus': {error}")))?;
    let series = match answer.data {
        Data::Vector(series) | Data::Matrix(series) => series,
        Data::Scalar(point) | Data::String(point) => {
            vec![Series { metric: BTreeMap::new(), value: Some(point), values: Vec::new() }]
        }
    };
    let count = series.len();
    let shown: Vec<Value> = series.into_iter().take(MOST_SERIES).map(shown).collect();
    let warnings = answer.warnings.iter().chain(&answer.infos).take(MOST_WARNINGS);
    let warnings: Vec<String> = warnings.map(|warning| clean_text(warning, LONGEST_WARNING)).collect();
    let value = shown.first().map_or(Value::Null, |first| first["value"].clone());
    Ok(Values::from_iter([
        ("truncated".to_owned(), json!(count > shown.len())),
        ("series".to_owned(), json!(shown)),
        ("count".to_owned(), json!(count)),
        ("value".to_owned(), value),
        ("warnings".to_owned(), json!(warnings)),
    ]))
}

#[derive(Deserialize)]
struct RulesAnswer {
    data: Groups,
}

#[derive(Deserialize)]
struct Groups {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    #[serde(default)]
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct Rule {
    name: String,
    query: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    health: String,
    #[serde(default, rename = "lastEvaluation")]
    evaluated_at: String,
}

fn rules_of(body: &[u8], alert: &str) -> Result<Values, ExecuteError> {
    let answer: RulesAnswer = serde_json::from_slice(body)
        .map_err(|error| ExecuteError::permanent(RULES, format!("the answer is not Prometheus': {error}")))?;
    let named = answer.data.groups.into_iter().flat_map(|group| group.rules).filter(|rule| rule.name == alert);
    let found: Vec<Value> = named
        .map(|rule| {
            let evaluated_at = rule.evaluated_at.parse::<Timestamp>().ok();
            json!({
                "name": rule.name, "query": rule.query, "labels": rule.labels, "healthy": rule.health == "ok",
                "evaluated_at": evaluated_at,
            })
        })
        .collect();
    let count = found.len();
    let shown: Vec<Value> = found.into_iter().take(MOST_RULES).collect();
    Ok(Values::from_iter([
        ("truncated".to_owned(), json!(count > shown.len())),
        ("rules".to_owned(), json!(shown)),
        ("count".to_owned(), json!(count)),
    ]))
}

fn shown(series: Series) -> Value {
    let points: Vec<Point> = series.value.into_iter().chain(series.values).collect();
    let figures = || points.iter().filter_map(Point::figure);
    let last = points.last();
    json!({
        "labels": series.metric,
        "value": last.and_then(Point::figure),
        "at": last.and_then(Point::at),
        "minimum": figures().reduce(f64::min),
        "maximum": figures().reduce(f64::max),
    })
}

#[cfg(test)]
mod tests {
    use super::{super::endpoint::tests::serve, *};
    use crate::domain::spec_of;
    use axum::{Router, http::StatusCode, routing::post};

    fn at() -> Timestamp {
        Timestamp::from_timestamp_millis(1_700_000_000_500).unwrap()
    }

    async fn prometheus(path: &str, status: StatusCode, answer: &'static str) -> Prometheus {
        let address = serve(Router::new().route(path, post(move || async move { (status, answer) }))).await;
        Prometheus::new(&address, None, TimeSpan::from_secs(2)).unwrap()
    }

    async fn instant(answer: &'static str) -> Result<Values, ExecuteError> {
        let prometheus = prometheus("/api/v1/query", StatusCode::OK, answer).await;
        prometheus.query("up", None, None, at()).await
    }

    #[tokio::test]
    async fn every_kind_of_result_has_the_declared_shape() {
        let answers = [
            r#"{"status":"success","data":{"resultType":"vector","result":[
                {"metric":{"__name__":"up","job":"api"},"value":[1700000000.5,"1"]},
                {"metric":{"job":"db"},"value":[1700000000,"NaN"]},
                {"metric":{"job":"h"},"histogram":[1700000000,{"count":"1","sum":"1"}]}]},"warnings":["partial"]}"#,
            r#"{"status":"success","data":{"resultType":"matrix","result":[
                {"metric":{},"values":[[1,"3"],[2,"-1"],[3,"+Inf"]]}]}}"#,
            r#"{"status":"success","data":{"resultType":"scalar","result":[1700000000,"42"]}}"#,
            r#"{"status":"success","data":{"resultType":"string","result":[1700000000,"x"]}}"#,
        ];
        let mut results = Vec::new();
        for answer in answers {
            let result = instant(answer).await.unwrap();
            let coerced = spec_of(CALL).unwrap().returns.coerce(Value::Object(result.clone()));
            assert_eq!(coerced, Ok(Value::Object(result.clone())));
            results.push(result);
        }
        assert_eq!((&results[0]["value"], &results[0]["count"]), (&json!(1.0), &json!(3)));
        assert_eq!(results[0]["series"][0]["at"], "2023-11-14T22:13:20.500Z");
        assert_eq!((&results[0]["series"][1]["value"], &results[0]["warnings"]), (&json!(null), &json!(["partial"])));
        let series = &results[1]["series"][0];
        assert_eq!(
            (&series["minimum"], &series["maximum"], &series["value"]),
            (&json!(-1.0), &json!(3.0), &json!(null))
        );
        assert_eq!((&results[2]["value"], &results[3]["count"]), (&json!(42.0), &json!(1)));
    }

    #[tokio::test]
    async fn rules_of_a_name_have_the_declared_shape() {
        let answer = r#"{"status":"success","data":{"groups":[{"name":"g","rules":[
            {"type":"alerting","name":"Down","query":"up == 0","labels":{"severity":"page"},"health":"ok",
             "lastEvaluation":"2026-11-21T03:00:00.123456789Z","alerts":[],"state":"inactive","duration":0},
            {"type":"alerting","name":"Slow","query":"x > 1","labels":{},"health":"err",
             "lastEvaluation":"0001-01-01T00:00:00Z"}]}]}}"#;
        let found = rules_of(answer.as_bytes(), "Down").unwrap();
        let coerced = spec_of(RULES).unwrap().returns.coerce(Value::Object(found.clone()));
        assert_eq!(coerced, Ok(Value::Object(found.clone())));
        assert_eq!((&found["count"], &found["rules"][0]["query"]), (&json!(1), &json!("up == 0")));
        assert_eq!(rules_of(answer.as_bytes(), "Slow").unwrap()["rules"][0]["healthy"], false);
        assert_eq!(rules_of(answer.as_bytes(), "Other").unwrap()["count"], 0);
        assert!(rules_of(b"<html>", "Down").is_err());
    }

    #[tokio::test]
    async fn a_range_is_asked_for_with_a_step_that_fits() {
        let echo = |body: String| async move {
            let metric = json!({"asked": body});
            let answer =
                json!({"data": {"resultType": "matrix", "result": [{"metric": metric, "values": [[1, "1"]]}]}});
            answer.to_string()
        };
        let address = serve(Router::new().route("/api/v1/query_range", post(echo))).await;
        let prometheus = Prometheus::new(&address, None, TimeSpan::from_secs(2)).unwrap();
        let range = Some(TimeSpan::from_secs(3_600));
        let result = prometheus.query(r#"up{job="a&b"}"#, range, None, at()).await.unwrap();
        let expected =
            "query=up%7Bjob%3D%22a%26b%22%7D&start=1699996400.500&end=1700000000.500&step=14000ms&timeout=1500ms";
        assert_eq!(result["series"][0]["labels"]["asked"], expected);
    }

    #[tokio::test]
    async fn errors_tell_what_helps() {
        let bad = r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#;
        for (status, passes) in [(StatusCode::BAD_REQUEST, false), (StatusCode::SERVICE_UNAVAILABLE, true)] {
            let prometheus = prometheus("/api/v1/query", status, bad).await;
            let error = prometheus.query("up{", None, None, at()).await.unwrap_err();
            assert_eq!(matches!(error, ExecuteError::Transient { .. }), passes, "{error}");
            assert!(error.to_string().contains("parse error"));
        }
        assert!(matches!(instant("<html>").await, Err(ExecuteError::Permanent { .. })));
    }

    #[tokio::test]
    async fn a_broad_query_is_cut() {
        let item = r#"{"metric":{},"value":[1,"1"]},"#.repeat(MOST_SERIES + 1);
        let answer = format!(r#"{{"data":{{"resultType":"vector","result":[{}]}}}}"#, item.trim_end_matches(','));
        let result = instant(answer.leak()).await.unwrap();
        assert_eq!(result["series"].as_array().unwrap().len(), MOST_SERIES);
        assert_eq!((&result["count"], &result["truncated"]), (&json!(MOST_SERIES + 1), &json!(true)));
    }
}
