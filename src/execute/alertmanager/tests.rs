use super::{
    super::endpoint::tests::{free_port, install_tls, serve},
    *,
};
use crate::domain::spec_of;
use axum::{Json, Router, extract::Path, http::StatusCode, routing::get};
use std::sync::{Arc, Mutex};

fn now() -> Timestamp {
    Timestamp::from_timestamp_millis(1_700_000_000_000).unwrap()
}

fn client(address: &str) -> Alertmanager {
    Alertmanager::new(address, None, TimeSpan::from_secs(2)).unwrap()
}

fn conforms(call: &str, result: &Values) {
    let shape = spec_of(call).unwrap().returns;
    assert_eq!(shape.coerce(Value::Object(result.clone())), Ok(Value::Object(result.clone())));
}

fn texts(matchers: &[&str]) -> Vec<String> {
    matchers.iter().map(|matcher| (*matcher).to_owned()).collect()
}

/// A stand-in that keeps silences; the real one is driven by the integration tests.
async fn stand_in() -> Alertmanager {
    let kept: Arc<Mutex<Vec<Value>>> = Arc::default();
    let (list, add, end) = (kept.clone(), kept.clone(), kept);
    let list = move || async move { Json(list.lock().unwrap().clone()) };
    let add = move |Json(mut silence): Json<Value>| async move {
        let mut kept = add.lock().unwrap();
        let id = format!("s-{}", kept.len());
        silence["id"] = json!(id);
        silence["status"] = json!({"state": "active"});
        kept.push(silence);
        Json(json!({"silenceID": id}))
    };
    let end = move |Path(id): Path<String>| async move {
        for silence in end.lock().unwrap().iter_mut().filter(|silence| silence["id"] == id) {
            silence["status"]["state"] = json!("expired");
        }
    };
    let router = Router::new()
        .route("/api/v2/silences", get(list).post(add))
        .route("/api/v2/silence/{id}", axum::routing::delete(end));
    client(&serve(router).await)
}

#[tokio::test]
async fn a_silence_is_made_found_and_ended() {
    let alertmanager = stand_in().await;
    let silence = |comment: &str| ActCall::AlertmanagerSilence {
        matchers: Vec::new(),
        duration: TimeSpan::from_secs(60),
        comment: comment.into(),
    };
    let unsilence = ActCall::AlertmanagerUnsilence { comment: "why (oncalld 1)".into() };
    assert_eq!(alertmanager.probe(&silence("why (oncalld 1)")).await, Ok(Some(Probed::NotHappened)));

    let matchers = texts(&[r#"service="api""#, r#"job!~"x|y""#]);
    let span = TimeSpan::from_secs(60);
    let made = alertmanager.silence(&matchers, span, "why (oncalld 1)", now()).await.unwrap();
    conforms("alertmanager.silence", &made);
    assert_eq!((&made["id"], &made["detail"]), (&json!("s-0"), &json!("silenced for 1m")));
    alertmanager.silence(&matchers, span, "why (oncalld 2)", now()).await.unwrap();
    let kept: Value = decode("", &send(alertmanager.endpoint.get("/api/v2/silences", &[])).await.unwrap()).unwrap();
    assert_eq!(kept[0]["matchers"][1], json!({"name": "job", "value": "x|y", "isEqual": false, "isRegex": true}));
    assert_eq!(kept[0]["endsAt"], "2023-11-14T22:14:20Z");

    assert_eq!(alertmanager.probe(&silence("why (oncalld 1)")).await, Ok(Some(Probed::Happened)));
    assert_eq!(alertmanager.probe(&unsilence).await, Ok(Some(Probed::NotHappened)));
    let ended = alertmanager.unsilence("why (oncalld 1)").await.unwrap();
    conforms("alertmanager.unsilence", &ended);
    assert_eq!((&ended["changed"], &ended["id"]), (&json!(true), &json!("s-0")));
    assert_eq!(alertmanager.probe(&unsilence).await, Ok(Some(Probed::Happened)));
    assert_eq!(alertmanager.unsilence("why (oncalld 1)").await.unwrap()["changed"], false);
    assert_eq!(alertmanager.probe(&silence("why (oncalld 2)")).await, Ok(Some(Probed::Happened)), "only the one");
}

#[tokio::test]
async fn a_silence_of_everything_is_refused() {
    let alertmanager = stand_in().await;
    for matchers in [texts(&[]), texts(&[r#"alertname=~".+""#]), texts(&[r#"service="""#]), texts(&["nonsense"])] {
        let error = alertmanager.silence(&matchers, TimeSpan::from_secs(60), "why", now()).await.unwrap_err();
        assert!(matches!(error, ExecuteError::Permanent { .. }), "{error}");
    }
}

#[tokio::test]
async fn what_was_perhaps_done_is_told_from_what_was_not() {
    let answers = [
        (StatusCode::BAD_REQUEST, "bad matcher", false),
        (StatusCode::BAD_GATEWAY, "", true),
        (StatusCode::OK, "<html>", true),
    ];
    for (status, body, perhaps) in answers {
        let router =
            Router::new().route("/api/v2/silences", axum::routing::post(move || async move { (status, body) }));
        let alertmanager = client(&serve(router).await);
        let matchers = texts(&["service=api"]);
        let error = alertmanager.silence(&matchers, TimeSpan::from_secs(60), "why", now()).await.unwrap_err();
        assert_eq!(matches!(error, ExecuteError::Unknown { .. }), perhaps, "{error}");
    }
    install_tls();
    let away = client(&format!("http://127.0.0.1:{}", free_port()));
    let error = away.silence(&texts(&["service=api"]), TimeSpan::from_secs(60), "why", now()).await.unwrap_err();
    assert!(matches!(error, ExecuteError::Transient { .. }), "{error}");
}

#[tokio::test]
async fn alerts_are_shown_counted_and_cut() {
    let held = |n: usize, silenced: &[&str]| {
        json!({"labels": {"alertname": format!("A{n}"), "service": "api\u{202e}"}, "annotations": {},
            "startsAt": "2026-11-21T00:00:00.000Z", "endsAt": "2026-11-21T00:05:00.000Z",
            "status": {"state": if silenced.is_empty() { "active" } else { "suppressed" }, "silencedBy": silenced,
                "inhibitedBy": []}})
    };
    let mut alerts = vec![held(0, &["s-1"])];
    alerts.extend((1..=MOST_ALERTS).map(|n| held(n, &[])));
    let asked: Arc<Mutex<String>> = Arc::default();
    let noted = asked.clone();
    let answer = move |uri: axum::http::Uri| async move {
        *noted.lock().unwrap() = uri.to_string();
        Json(alerts)
    };
    let alertmanager = client(&serve(Router::new().route("/api/v2/alerts", get(answer))).await);
    let call = ReadCall::AlertmanagerAlerts { matchers: texts(&[r#"service="api""#, "job=x"]) };
    let result = alertmanager.read(&call).await.unwrap();
    conforms("alertmanager.alerts", &result);
    assert_eq!(*asked.lock().unwrap(), "/api/v2/alerts?filter=service%3D%22api%22&filter=job%3Dx");
    assert_eq!((&result["count"], &result["firing"]), (&json!(MOST_ALERTS + 1), &json!(MOST_ALERTS)));
    assert_eq!((&result["truncated"], &result["alerts"][0]["silenced"]), (&json!(true), &json!(true)));
    assert_eq!(result["alerts"][0]["labels"]["service"], "api");

    let (group, rejected) = alertmanager.fetch_group(r#"{}:{alertname="A\"1"}"#).await.unwrap();
    assert_eq!((group.len(), rejected.len(), group[1].name()), (MOST_ALERTS + 1, 0, "A1"));
    assert_eq!(*asked.lock().unwrap(), "/api/v2/alerts?filter=alertname%3D%22A%5C%221%22");
    assert!(matches!(alertmanager.fetch_group("grafana").await, Err(ExecuteError::Permanent { .. })));
}
