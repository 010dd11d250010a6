//! The executors and the notifier that speak to Prometheus and Alertmanager, against real ones.

use crate::support::{
    clear::cleared,
    command,
    daemon::{Daemon, Settings, delivery},
    http::free_port,
    monitoring::{Monitoring, Watched},
    need::{Need, have},
    waiting::eventually,
};
use oncalld::domain::{ActCall, IncidentId, ReadCall, Shape, TimeSpan, Values, spec_of};
use oncalld::execute::{ExecuteError, Executor, Probed, alertmanager::Alertmanager, prometheus::Prometheus};
use oncalld::judge;
use oncalld::notify::{AlertmanagerNotifier, Message, Notifier};
use serde_json::{Value, json};
use std::time::Duration;

const TIMEOUT: TimeSpan = TimeSpan::from_secs(10);

/// Both programs, with an alert that fires because what they watch does not answer.
fn monitoring() -> Option<Monitoring> {
    let address = format!("127.0.0.1:{}", free_port());
    let watched = Watched { address: &address, labels: json!({"name": "api"}), alert: "Gone", expression: "up == 0" };
    have(&[Need::Prometheus]).then(|| Monitoring::start(&watched, free_port()))
}

async fn read(executor: &dyn Executor, name: &str, with: Value) -> Result<Values, ExecuteError> {
    let call = ReadCall::decode(name, with.as_object().unwrap().clone()).unwrap();
    let result = executor.read(&call).await?;
    assert_eq!(shape(name).coerce(json!(result)), Ok(json!(result)), "the declared shape");
    Ok(result)
}

async fn act(executor: &dyn Executor, name: &str, with: Value) -> (ActCall, Result<Values, ExecuteError>) {
    let call = ActCall::decode(name, with.as_object().unwrap().clone()).unwrap();
    let result = executor.act(cleared(call.clone())).await;
    if let Ok(result) = &result {
        assert_eq!(shape(name).coerce(json!(result)), Ok(json!(result)), "the declared shape");
    }
    (call, result)
}

fn shape(name: &str) -> Shape {
    spec_of(name).unwrap().returns
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

#[test]
fn prometheus_is_queried() {
    let Some(monitoring) = monitoring() else { return };
    let prometheus = Prometheus::new(monitoring.prometheus(), None, TIMEOUT).unwrap();
    run(async {
        let query = |with: Value| read(&prometheus, "prometheus.query", with);
        let up = eventually("a scrape", || async {
            let up = query(json!({"query": r#"up{name="api"}"#})).await.map_err(|error| error.to_string())?;
            if up["count"] == 1 { Ok(up) } else { Err(format!("{up:?}")) }
        })
        .await;
        assert_eq!((&up["value"], &up["series"][0]["labels"]["name"]), (&json!(0.0), &json!("api")));
        let range = query(json!({"query": "up", "range": "1m", "step": "1s"})).await.unwrap();
        assert_eq!((&range["series"][0]["maximum"], &range["truncated"]), (&json!(0.0), &json!(false)));
        assert_eq!(query(json!({"query": "1 / 0"})).await.unwrap()["value"], Value::Null);
        assert_eq!(query(json!({"query": "2 * 21"})).await.unwrap()["value"], 42.0);
        assert_eq!(query(json!({"query": "nothing_like_it"})).await.unwrap()["count"], 0);
        let error = query(json!({"query": "up{"})).await.unwrap_err();
        assert!(
            matches!(&error, ExecuteError::Permanent { problem, .. } if problem.contains("parse error")),
            "{error}"
        );
    });
}

#[test]
fn an_empty_answer_proves_something_only_while_its_series_report() {
    let Some(monitoring) = monitoring() else { return };
    let prometheus = Prometheus::new(monitoring.prometheus(), None, TIMEOUT).unwrap();
    run(async {
        let rules = eventually("an evaluated rule", || async {
            let rules = read(&prometheus, "prometheus.rules", json!({"alert": "Gone"})).await;
            let rules = rules.map_err(|error| error.to_string())?;
            if rules["rules"][0]["healthy"] == true { Ok(rules) } else { Err(format!("{rules:?}")) }
        })
        .await;
        assert_eq!((&rules["count"], &rules["rules"][0]["query"]), (&json!(1), &json!("up == 0")));
        let age = |expression: &'static str, name: &'static str| {
            let labels = [("alertname", "Gone"), ("name", name), ("severity", "critical"), ("id", "/docker/1")];
            let labels = labels.map(|(label, value)| (label.to_owned(), value.to_owned())).into();
            let query = judge::selectors(expression).unwrap()[0].age(&labels);
            read_value(&prometheus, query)
        };
        eventually("a scrape", || async {
            match age("up == 0", "api").await {
                Value::Number(age) if age.as_f64() < Some(60.0) => Ok(()),
                other => Err(other.to_string()),
            }
        })
        .await;
        assert_eq!(age("up == 0", "somebody.else").await, Value::Null, "no series of that target");
        // Empty like a cured fault's, and yet nobody knows: nothing of it was ever scraped.
        assert_eq!(age("rate(errors_total{name=\"api\"}[5m]) > 1", "api").await, Value::Null);
    });
}

async fn read_value(prometheus: &Prometheus, query: String) -> Value {
    read(prometheus, "prometheus.query", json!({"query": query})).await.unwrap()["value"].clone()
}

#[test]
fn alertmanager_tells_silences_and_is_posted_to() {
    let Some(monitoring) = monitoring() else { return };
    let alertmanager = Alertmanager::new(monitoring.alertmanager(), None, TIMEOUT).unwrap();
    run(async {
        eventually("the alert", || async {
            let firing = alerts(&alertmanager, r#"name="api""#).await["firing"].clone();
            if firing == 1 { Ok(()) } else { Err(format!("{firing} firing")) }
        })
        .await;
        let (group, rejected) = alertmanager.fetch_group(r#"{}:{alertname="Gone", name="api"}"#).await.unwrap();
        assert_eq!((group.len(), rejected.len(), group[0].name()), (1, 0, "Gone"));
        let (none, _) = alertmanager.fetch_group(r#"{}:{alertname="Other"}"#).await.unwrap();
        assert!(none.is_empty());
        silencing(&alertmanager).await;
        paging(&monitoring, &alertmanager).await;
    });
}

#[test]
fn what_a_sender_left_out_is_fetched_from_its_configured_address() {
    let Some(monitoring) = monitoring() else { return };
    let alertmanager = Alertmanager::new(monitoring.alertmanager(), None, TIMEOUT).unwrap();
    let labels = |name: &str| json!({"alertname": "Down", "service": name});
    let held: Vec<Value> = ["one", "two"].map(|name| json!({"labels": labels(name), "annotations": {}})).into();
    run(async { alertmanager.post_alerts(&json!(held)).await.unwrap() });
    let mut settings = Settings::of(json!({"here": {"kind": "process"}}));
    settings.platform =
        json!({"senders": [{"name": "am", "kind": "alertmanager", "external_url": monitoring.alertmanager()}]});
    let daemon = Daemon::start(&settings);
    let mut delivery = delivery("firing", &labels("one"));
    delivery["truncatedAlerts"] = json!(1);
    delivery["groupKey"] = json!(r#"{}:{alertname="Down"}"#);
    daemon.http.post("/api/v1/alerts/alertmanager", &delivery).unwrap().ok();
    command::eventually("the alert that was left out", Duration::from_secs(20), || {
        let page = daemon.http.get("/api/v1/incidents")?.ok();
        if page["items"][0]["alerts"] == 2 { Ok(()) } else { Err(page.to_string()) }
    });
}

async fn alerts(alertmanager: &Alertmanager, matcher: &str) -> Values {
    read(alertmanager, "alertmanager.alerts", json!({"matchers": [matcher]})).await.unwrap()
}

async fn silencing(alertmanager: &Alertmanager) {
    let with =
        json!({"matchers": ["name=\"api\"", "alertname=~\"G.*\""], "duration": "10m", "comment": "test (oncalld 1)"});
    let (silence, made) = act(alertmanager, "alertmanager.silence", with).await;
    assert_eq!(made.unwrap()["id"].as_str().unwrap().len(), 36, "a UUID");
    assert_eq!(alertmanager.probe(&silence).await, Ok(Some(Probed::Happened)));
    let held = alerts(alertmanager, r#"name="api""#).await;
    assert_eq!((&held["firing"], &held["alerts"][0]["silenced"]), (&json!(0), &json!(true)));

    let (unsilence, ended) = act(alertmanager, "alertmanager.unsilence", json!({"comment": "test (oncalld 1)"})).await;
    assert_eq!(ended.unwrap()["changed"], true);
    assert_eq!(alertmanager.probe(&unsilence).await, Ok(Some(Probed::Happened)));
    assert_eq!(alerts(alertmanager, r#"name="api""#).await["firing"], 1);

    let everything = json!({"matchers": ["alertname=~\".+\""], "duration": "10m", "comment": "all"});
    let (_, refused) = act(alertmanager, "alertmanager.silence", everything).await;
    assert!(matches!(refused, Err(ExecuteError::Permanent { .. })));
    let wrong = json!({"matchers": ["name=\"api\"", "alertname=~\"(\""], "duration": "10m", "comment": "wrong"});
    let (_, refused) = act(alertmanager, "alertmanager.silence", wrong).await;
    assert!(matches!(refused, Err(ExecuteError::Permanent { .. })), "{refused:?}");
}

async fn paging(monitoring: &Monitoring, alertmanager: &Alertmanager) {
    let pager = AlertmanagerNotifier::new("pager", monitoring.alertmanager(), None, TIMEOUT).unwrap();
    let escalation = Message {
        subject: "escalation:1".into(),
        incident: IncidentId::new("inc_1"),
        environment: "shop".into(),
        service: "api".into(),
        severity: "critical".into(),
        title: "api needs a person".into(),
        body: "nothing helped".into(),
        link: Some("http://oncalld/#/incidents/inc_1".into()),
        approval: None,
    };
    pager.send(&escalation).await.unwrap();
    pager.send(&Message { subject: "escalation:2".into(), ..escalation.clone() }).await.unwrap();
    let held = eventually("our alert", || async {
        let held = alerts(alertmanager, r#"incident="inc_1""#).await;
        if held["count"] == 1 { Ok(held) } else { Err(format!("{held:?}")) }
    })
    .await;
    assert_eq!(held["alerts"][0]["labels"]["oncalld"], "true");
    let (taken_in, _) = alertmanager.fetch_group(r#"{}:{incident="inc_1"}"#).await.unwrap();
    assert!(taken_in.is_empty(), "we do not diagnose our own pages");

    pager.send(&Message { subject: "closed".into(), ..escalation }).await.unwrap();
    eventually("the end of our alert", || async {
        let held = alerts(alertmanager, r#"incident="inc_1""#).await;
        if held["count"] == 0 { Ok(()) } else { Err(format!("{held:?}")) }
    })
    .await;
}
