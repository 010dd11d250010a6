//! Labels as real rules and exporters write them, against a small inventory.

use super::resolve::*;
use crate::domain::{Alert, AlertStatus, Instance, Inventories, Inventory, Labels, Service};
use proptest::prelude::*;

const API_ID: &str = "4f3c2b1a09f8e7d6c5b4a3928170f6e5d4c3b2a190817263544536271809aabb";

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn alert(pairs: &[(&str, &str)]) -> Alert {
    let labels = labels(pairs);
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

fn service(name: &str, aliases: &[&str], image: &str, addresses: &[&str]) -> Service {
    let id = if name == "api" { API_ID.to_owned() } else { format!("{name}-id") };
    let instance = Instance {
        id,
        name: format!("shop-{name}-1"),
        image: image.into(),
        state: "running".into(),
        ..Instance::default()
    };
    Service {
        name: name.into(),
        aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
        instances: vec![instance],
        addresses: addresses.iter().map(|address| (*address).to_owned()).collect(),
        ..Service::default()
    }
}

fn inventory(services: Vec<Service>) -> Inventory {
    let services = services.into_iter().map(|service| (service.name.clone(), service)).collect();
    Inventory { services, read_at: Some("2026-11-21T00:00:00Z".parse().unwrap()), stale: None }
}

fn shop() -> Inventories {
    let services = vec![
        service("api", &["shop-api-1", "shop/api"], "shop/api:1", &["127.0.0.1:18080", "172.18.0.4:8080"]),
        service("web", &["shop/web"], "nginx", &["127.0.0.1:80"]),
        service("redis", &["cache"], "redis:7", &["172.18.0.5:6379"]),
        service("node", &[], "shop/node-app", &[]),
        service("cadvisor", &[], "gcr.io/cadvisor/cadvisor", &["172.18.0.9:8080"]),
        service("redis-exporter", &[], "oliver006/redis_exporter", &[]),
        service("probe", &[], "prom/blackbox-exporter", &[]),
    ];
    [("shop".to_owned(), inventory(services))].into()
}

fn of(pairs: &[(&str, &str)]) -> Resolution {
    resolve_among(&alert(pairs), &[Candidate { name: "shop", matches: &[] }], &shop())
}

fn target(pairs: &[(&str, &str)]) -> Option<String> {
    of(pairs).service().map(str::to_owned)
}

#[test]
fn the_subject_is_meant_and_not_the_exporter() {
    for (pairs, expected) in [
        // cAdvisor: the wire sample
        (
            &[("alertname", "ContainerKilled"), ("name", "api"), ("instance", "host1:8080"), ("job", "cadvisor")][..],
            "api",
        ),
        (&[("name", "shop-api-1"), ("image", "shop/api:1"), ("instance", "cadvisor:8080"), ("job", "cadvisor")], "api"),
        (
            &[("id", "/docker/4f3c2b1a09f8e7d6c5b4a3928170f6e5d4c3b2a190817263544536271809aabb"), ("job", "cadvisor")],
            "api",
        ),
        (
            &[("id", "/system.slice/docker-4f3c2b1a09f8e7d6c5b4a3928170f6e5d4c3b2a190817263544536271809aabb.scope")],
            "api",
        ),
        (&[("container_label_com_docker_compose_service", "web"), ("job", "cadvisor")], "web"),
        (&[("compose_service", "web")], "web"),
        (&[("container_name", "/shop-api-1")], "api"),
        (&[("container", "redis"), ("pod", "cache"), ("namespace", "shop")], "redis"),
        // the cAdvisor container itself can be what was killed
        (&[("name", "cadvisor"), ("job", "cadvisor")], "cadvisor"),
        // Redis through its exporter
        (&[("alertname", "RedisDown"), ("instance", "redis://redis:6379"), ("job", "redis-exporter")], "redis"),
        (&[("instance", "172.18.0.5:6379"), ("job", "redis_exporter")], "redis"),
        // blackbox probes
        (
            &[("alertname", "BlackboxProbeFailed"), ("instance", "http://api:8080/health?x=1"), ("job", "blackbox")],
            "api",
        ),
        (&[("instance", "http://127.0.0.1:80/"), ("job", "probe")], "web"),
        (&[("target", "http://user:pass@web/"), ("instance", "probe:9115")], "web"),
        // the service's own metrics
        (&[("job", "api"), ("instance", "10.0.0.7:8080")], "api"),
        (&[("instance", "127.0.0.1:18080")], "api"),
        (&[("service", "cache"), ("job", "prometheus-operator")], "redis"),
        (&[("job", "node"), ("instance", "host1:3000")], "node"),
        // federation and gateways
        (&[("exported_job", "api"), ("exported_instance", "host9:1"), ("job", "redis"), ("instance", "web:80")], "api"),
        (&[("exported_container", "api"), ("container", "redis-exporter"), ("service", "web")], "api"),
        // units and process groups
        (&[("name", "api.service"), ("job", "node-exporter")], "api"),
        (&[("groupname", "web"), ("job", "process-exporter")], "web"),
        // workloads
        (&[("deployment", "api"), ("namespace", "shop"), ("job", "kube-state-metrics")], "api"),
        (&[("statefulset", "redis"), ("pod", "redis-0-that-is-gone")], "redis"),
    ] {
        assert_eq!(target(pairs).as_deref(), Some(expected), "{pairs:?}: {:?}", of(pairs));
    }
}

#[test]
fn what_names_nothing_is_unknown() {
    for pairs in [
        &[("alertname", "Watchdog")][..],
        &[("instance", "host1:9100"), ("job", "node-exporter")],
        &[("job", "cadvisor"), ("instance", "cadvisor:8080")],
        &[("job", "redis-exporter"), ("instance", "redis-exporter:9121")],
        &[("name", "payments"), ("job", "cadvisor")],
        &[("name", ""), ("service", "ap")],
        &[("id", "/"), ("job", "cadvisor")],
        &[("id", "4f3c"), ("container", "API")],
    ] {
        let resolution = of(pairs);
        assert!(matches!(resolution, Resolution::Unknown { .. }), "{pairs:?}: {resolution:?}");
        assert!(resolution.read_only().is_some());
    }
}

#[test]
fn labels_that_name_two_targets_are_ambiguous() {
    for pairs in [
        &[("name", "api"), ("container_name", "web")][..],
        &[("container", "api"), ("container_name", "web")],
        &[("pod", "api"), ("compose_service", "redis")],
        &[("name", "api"), ("service", "web")],
        &[("job", "api"), ("instance", "web:80")],
        &[("exported_container", "api"), ("exported_service", "web")],
    ] {
        let resolution = of(pairs);
        assert!(
            matches!(&resolution, Resolution::Ambiguous { candidates, .. } if candidates.len() == 2),
            "{pairs:?}: {resolution:?}"
        );
    }
    assert_eq!(target(&[("name", "api"), ("container_name", "shop-api-1"), ("job", "web")]).as_deref(), Some("api"));
}

#[test]
fn a_compose_project_tells_services_of_one_name_apart() {
    let services = vec![service("blue/api", &["api"], "x", &[]), service("green/api", &["api", "green/api"], "x", &[])];
    let inventories: Inventories = [("shop".to_owned(), inventory(services))].into();
    let of = |pairs: &[(&str, &str)]| {
        resolve_among(&alert(pairs), &[Candidate { name: "shop", matches: &[] }], &inventories)
    };
    let service = "container_label_com_docker_compose_service";
    assert!(matches!(of(&[(service, "api")]), Resolution::Ambiguous { .. }));
    let project = ("container_label_com_docker_compose_project", "blue");
    assert_eq!(of(&[(service, "api"), project]).service(), Some("blue/api"));
}

fn two() -> Inventories {
    let mut inventories = shop();
    inventories.insert("lab".into(), inventory(vec![service("api", &[], "x", &[]), service("bench", &[], "x", &[])]));
    inventories
}

#[test]
fn the_environment_is_the_one_that_claims_the_alert() {
    let claims = [labels(&[("cluster", "lab")]), labels(&[("env", "test"), ("site", "b")])];
    let environments = [Candidate { name: "lab", matches: &claims }, Candidate { name: "shop", matches: &[] }];
    let of = |pairs: &[(&str, &str)]| resolve_among(&alert(pairs), &environments, &two());
    let at = |environment: &str, service: &str| Resolution::Target {
        environment: environment.into(),
        service: service.into(),
    };
    assert_eq!(of(&[("cluster", "lab"), ("name", "api")]), at("lab", "api"));
    assert_eq!(of(&[("env", "test"), ("site", "b"), ("name", "api")]), at("lab", "api"));
    assert_eq!(of(&[("env", "test"), ("name", "api")]), at("shop", "api"), "a part of the labels is not enough");
    let elsewhere = of(&[("cluster", "lab"), ("name", "web")]);
    assert!(matches!(&elsewhere, Resolution::Unknown { environment, .. } if environment == "lab"));
}

#[test]
fn labels_that_fit_two_environments_are_ambiguous() {
    let (one, other) = ([labels(&[("team", "a")])], [labels(&[("cluster", "x")])]);
    let both = [Candidate { name: "lab", matches: &one }, Candidate { name: "shop", matches: &other }];
    let resolution = resolve_among(&alert(&[("team", "a"), ("cluster", "x"), ("name", "api")]), &both, &two());
    assert!(matches!(&resolution, Resolution::Ambiguous { environment, .. } if environment == "lab"));

    let defaults = [Candidate { name: "lab", matches: &[] }, Candidate { name: "shop", matches: &[] }];
    let of = |pairs: &[(&str, &str)]| resolve_among(&alert(pairs), &defaults, &two());
    assert!(
        matches!(of(&[("name", "api")]), Resolution::Ambiguous { candidates, .. } if candidates == ["lab/api", "shop/api"])
    );
    assert_eq!(of(&[("name", "bench")]).environment(), "lab");
    assert_eq!(of(&[("name", "redis")]).environment(), "shop");
    assert!(matches!(of(&[("name", "nobody")]), Resolution::Unknown { environment, .. } if environment == "lab"));
}

#[test]
fn an_environment_that_was_not_read_yet_has_no_targets() {
    let environments = [Candidate { name: "shop", matches: &[] }];
    let unread: Inventories = [("shop".to_owned(), Inventory::default())].into();
    for inventories in [unread, Inventories::new()] {
        let resolution = resolve_among(&alert(&[("name", "api")]), &environments, &inventories);
        assert!(resolution.read_only().unwrap().contains("not read yet"));
    }
    assert_eq!(resolve_among(&alert(&[("name", "api")]), &[], &shop()).environment(), "");
    let claimed = [labels(&[("x", "y")])];
    let nobodys = resolve_among(&alert(&[("name", "api")]), &[Candidate { name: "shop", matches: &claimed }], &shop());
    assert_eq!((nobodys.environment(), nobodys.service()), ("shop", None));
}

proptest! {
    #[test]
    fn a_target_is_always_one_of_the_inventory(
        pairs in proptest::collection::btree_map(
            prop_oneof!["name|pod|container|service|job|instance|id|target|exported_job|exported_pod", "[a-z_]{1,12}"],
            prop_oneof!["api|web|redis|cadvisor|cache|http://web/|api:8080|/docker/4f3c2b1a09f8e7d6", ".{0,40}"],
            0..8,
        ),
    ) {
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        match of(&pairs) {
            Resolution::Target { environment, service } => {
                prop_assert!(shop()[&environment].services.contains_key(&service));
            }
            Resolution::Ambiguous { candidates, .. } => prop_assert!(candidates.len() > 1),
            Resolution::Unknown { environment, .. } => prop_assert_eq!(environment, "shop"),
        }
    }
}
