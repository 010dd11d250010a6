use super::*;
use crate::config::Sources;
use crate::domain::{DeliveryId, Labels};

/// An open incident of a service whose alert arrived at a time.
fn alerting(ledger: &mut Ledger, config: &Arc<Config>, service: &str, at: Timestamp, trigger: Trigger) {
    let labels = Labels::from([("service".to_owned(), service.to_owned())]);
    let alert = crate::domain::Alert {
        fingerprint: crate::domain::Alert::fingerprint_of(&labels),
        status: AlertStatus::Firing,
        labels,
        annotations: Labels::new(),
        starts_at: at,
        ends_at: None,
        expression: None,
    };
    let target = matches!(trigger, Trigger::Alert).then(|| service.to_owned());
    let opened = EventBody::IncidentOpened {
        environment: "shop".into(),
        target,
        group_key: format!("shop/{service}"),
        title: service.into(),
        severity: "none".into(),
        trigger,
        config: config.digest.clone(),
        follows: None,
        read_only: None,
    };
    let received =
        EventBody::AlertsReceived { delivery: DeliveryId::new(service), sender: "am".into(), alerts: vec![alert] };
    ledger.push(&IncidentId::new(format!("inc_{service}")), vec![opened, received], at, Origin::Command, config);
}

#[test]
fn what_has_alerted_for_long_is_no_storm_until_one_is_open() {
    let config = Arc::new(Config::load(Sources::built_in(), &BTreeMap::new()).unwrap());
    let mut ledger = Ledger::new(BTreeMap::new(), History::default());
    let now: Timestamp = "2026-11-21T03:00:00Z".parse().unwrap();
    let ago = |minutes| now - chrono::Duration::minutes(minutes);
    alerting(&mut ledger, &config, "old", ago(60), Trigger::Alert);
    alerting(&mut ledger, &config, "api", ago(4), Trigger::Alert);
    alerting(&mut ledger, &config, "cache", ago(1), Trigger::Alert);
    assert_eq!(ledger.alerting("shop", ago(5)), 2);
    assert_eq!(ledger.alerting("shop", ago(2)), 1);
    assert_eq!(ledger.alerting("elsewhere", ago(5)), 0);
    alerting(&mut ledger, &config, "storm", now, Trigger::Storm { targets: 2 });
    assert_eq!(ledger.alerting("shop", ago(2)), 3, "while it is open, all that alert count");
}
