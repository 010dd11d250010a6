//! What joins alerts into one incident, and what people see first of it.

use super::Resolution;
use crate::domain::{Alert, AlertStatus, Digest, clean_text};

/// A line in a list or a page.
const MAX_TITLE: usize = 120;

/// The group key: environment and canonical target, or, where none resolved, environment and the sender's own group.
pub fn group_key(resolution: &Resolution, sender: &str, sender_group: &str) -> String {
    match resolution {
        Resolution::Target { environment, service } => format!("{environment}/{service}"),
        Resolution::Unknown { environment, .. } | Resolution::Ambiguous { environment, .. } => {
            // Hashed: it may be as long as its sender likes, and must not look like a target's.
            format!("{environment}#{}", Digest::of_json(&(sender, sender_group)).short())
        }
    }
}

/// One line for people: `ContainerKilled on api, and 2 more alerts`.
pub fn title(alerts: &[Alert], environment: &str, service: Option<&str>) -> String {
    let firing = || alerts.iter().filter(|alert| alert.status == AlertStatus::Firing);
    let first = firing().min_by_key(|alert| (rank(alert.severity()), alert.starts_at)).or(alerts.first());
    let Some(first) = first else {
        return clean_text(&format!("Diagnosis of {}", service.unwrap_or(environment)), MAX_TITLE);
    };
    let place = service.map_or_else(|| format!("in {environment}"), |service| format!("on {service}"));
    let mut names: Vec<&str> = alerts.iter().map(Alert::name).collect();
    names.sort_unstable();
    names.dedup();
    let more = match names.len() {
        0 | 1 => String::new(),
        2 => ", and 1 more alert".into(),
        count => format!(", and {} more alerts", count - 1),
    };
    let name = clean_text(&first.name().replace('\n', " "), MAX_TITLE / 2);
    clean_text(&format!("{name} {place}{more}"), MAX_TITLE)
}

/// The most severe alert's severity; "none" where there is none.
pub fn most_severe(alerts: &[Alert]) -> String {
    alerts.iter().map(Alert::severity).min_by_key(|severity| rank(severity)).unwrap_or("none").to_owned()
}

/// The graver of two severities; the first of equals.
pub fn graver<'a>(one: &'a str, other: &'a str) -> &'a str {
    if rank(other) < rank(one) { other } else { one }
}

/// How grave the usual words are; an unknown word is graver than a warning, because someone took the trouble.
fn rank(severity: &str) -> u8 {
    match severity.to_ascii_lowercase().as_str() {
        "critical" | "page" | "emergency" | "fatal" | "disaster" | "p1" => 0,
        "error" | "high" | "major" | "p2" => 1,
        "warning" | "warn" | "medium" | "minor" | "p3" => 3,
        "info" | "information" | "informational" | "notice" | "low" | "p4" | "p5" => 4,
        "none" | "" => 5,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Labels;

    fn alert(name: &str, severity: &str) -> Alert {
        let labels: Labels =
            [("alertname", name), ("severity", severity)].map(|(name, value)| (name.into(), value.into())).into();
        Alert {
            fingerprint: Alert::fingerprint_of(&labels),
            status: AlertStatus::Firing,
            labels,
            annotations: Labels::new(),
            starts_at: "2026-11-21T00:00:00Z".parse().unwrap(),
            ends_at: None,
            expression: None,
        }
    }

    #[test]
    fn the_title_tells_the_gravest_alert_and_the_target() {
        let alerts = [alert("Slow", "warning"), alert("Down", "critical"), alert("Slow", "warning")];
        assert_eq!(title(&alerts, "prod", Some("api")), "Down on api, and 1 more alert");
        assert_eq!(title(&alerts[..1], "prod", None), "Slow in prod");
        assert_eq!(title(&[], "prod", Some("api")), "Diagnosis of api");
        assert!(title(&[alert(&"x".repeat(500), "none")], "prod", Some("api")).ends_with("on api"));
        assert_eq!(most_severe(&alerts), "critical");
        assert_eq!(most_severe(&[]), "none");
    }

    #[test]
    fn a_group_without_a_target_is_the_senders_and_never_a_targets() {
        let unknown = Resolution::Unknown { environment: "prod".into(), why: String::new() };
        let one = group_key(&unknown, "am", "{}:{a}");
        assert_ne!(one, group_key(&unknown, "am", "{}:{b}"));
        assert_ne!(one, group_key(&unknown, "grafana", "{}:{a}"));
        assert!(one.starts_with("prod#"));
        let target = Resolution::Target { environment: "prod".into(), service: "api".into() };
        assert_eq!(group_key(&target, "am", "{}:{a}"), "prod/api");
    }
}
