use super::*;
use chrono::Utc;
use serde_json::Value;

fn container(name: &str, labels: Value) -> Container {
    Container::new(json!({
        "Id": format!("{name}0123456789abcdef"), "Name": format!("/{name}"), "State": {"Status": "running"},
        "Config": {"Image": "registry:5000/team/app:v1", "Labels": labels, "ExposedPorts": {"80/tcp": {}}},
        "NetworkSettings": {
            "Networks": {"net": {"IPAddress": "172.18.0.2", "Aliases": ["backend"]}},
            "Ports": {"80/tcp": [{"HostIp": "0.0.0.0", "HostPort": "8080"}, {"HostIp": "::", "HostPort": "8080"}]},
        },
    }))
}

fn compose(project: &str, service: &str, n: u32, needed: &str) -> Container {
    let name = format!("{project}-{service}-{n}");
    container(&name, json!({COMPOSE_PROJECT: project, COMPOSE_SERVICE: service, COMPOSE_DEPENDS_ON: needed}))
}

fn taken(containers: &[Container], declared: &BTreeMap<String, DeclaredService>) -> Inventory {
    let kept = BTreeMap::new();
    inventory(
        containers,
        &Known {
            declared,
            protected: &["vault".into()],
            kept: &kept,
            lasting: Vec::new(),
            protected_before: &|name| (name == "was-labelled").then(|| "labelled oncalld.protect=true".to_owned()),
        },
        Utc::now(),
    )
}

#[test]
fn replicas_are_one_service_and_projects_are_kept_apart() {
    let containers = [
        compose("shop", "api", 2, "db:service_started:false"),
        compose("shop", "api", 1, "db:service_started:false"),
        compose("shop", "db", 1, ""),
        compose("blog", "db", 1, ""),
    ];
    let found = taken(&containers, &BTreeMap::new());
    assert_eq!(found.services.keys().collect::<Vec<_>>(), ["api", "blog-db", "shop-db"]);
    let api = &found.services["api"];
    assert_eq!(api.instances.iter().map(|i| i.name.as_str()).collect::<Vec<_>>(), ["shop-api-1", "shop-api-2"]);
    assert_eq!(api.depends_on, ["shop-db"]);
    assert!(api.aliases.contains(&"shop/api".to_owned()) && api.aliases.contains(&"backend".to_owned()));
    assert_eq!(api.addresses, ["127.0.0.1:8080", "172.18.0.2:80"]);
    assert_eq!(found.named("shop/api").len(), 1);
    assert_eq!(found.named("db").len(), 2, "ambiguous, and said so");
}

#[test]
fn what_is_put_aside_belongs_to_no_service() {
    let containers = [container("api", json!({})), container("api-0f", json!({}))];
    let aside = Kept {
        service: "api".into(),
        key: "0f".into(),
        name: "api".into(),
        policy: "no".into(),
        retries: 0,
        was_running: true,
        scaled: false,
        at: Utc::now(),
    };
    let kept = BTreeMap::from([(containers[1].id().to_owned(), aside)]);
    let declared = BTreeMap::new();
    let known =
        Known { declared: &declared, protected: &[], kept: &kept, lasting: Vec::new(), protected_before: &|_| None };
    assert_eq!(inventory(&containers, &known, Utc::now()).services.len(), 1);
}

#[test]
fn watchers_and_owned_containers_are_protected() {
    for (name, labels, is_protected) in [
        ("api", json!({}), false),
        ("prometheus", json!({}), true),
        ("vault", json!({}), true),
        ("a", json!({LABEL_PROTECT: "true"}), true),
        ("b", json!({"io.kubernetes.pod.name": "x"}), true),
        ("c", json!({"com.docker.swarm.service.id": "x"}), true),
    ] {
        let found = taken(&[container(name, labels)], &BTreeMap::new());
        assert_eq!(found.services[name].protected.is_some(), is_protected, "{name}");
    }
}

#[test]
fn what_is_gone_is_as_protected_as_it_was() {
    let image = |image: &str| DeclaredService { image: Some(image.into()), ..Default::default() };
    let declared = BTreeMap::from([
        ("metrics".to_owned(), image("prom/prometheus:v3")),
        ("alertmanager".to_owned(), DeclaredService::default()),
        ("was-labelled".to_owned(), DeclaredService::default()),
        ("vault".to_owned(), DeclaredService::default()),
        ("api".to_owned(), image("acme/api:1")),
    ]);
    let found = taken(&[], &declared);
    for (name, is_protected) in
        [("metrics", true), ("alertmanager", true), ("was-labelled", true), ("vault", true), ("api", false)]
    {
        assert_eq!(found.services[name].protected.is_some(), is_protected, "{name}");
    }
    // What was seen before and is not declared is not forgotten either.
    let (name, past) = ("prometheus".to_owned(), Past::default());
    let (kept, nothing) = (BTreeMap::new(), BTreeMap::new());
    let known = Known {
        declared: &nothing,
        protected: &[],
        kept: &kept,
        lasting: vec![(&name, &past)],
        protected_before: &|_| None,
    };
    assert!(inventory(&[], &known, Utc::now()).services["prometheus"].protected.is_some());
}

#[test]
fn declared_services_are_there_without_containers_and_lend_their_names() {
    let facts = DeclaredService { depends_on: vec!["db".into()], image: Some("web:v1".into()), ..Default::default() };
    let declared = BTreeMap::from([
        ("web".to_owned(), facts),
        ("shop".to_owned(), DeclaredService { aliases: vec!["shop_main_1".into()], job: true, ..Default::default() }),
    ]);
    let found = taken(&[container("shop_main_1", json!({}))], &declared);
    assert_eq!(found.services.keys().collect::<Vec<_>>(), ["shop", "web"]);
    assert_eq!(found.services["web"].instances[0].state, "missing");
    let list = listed(&found);
    assert_eq!(list["not_running"], json!(["web"]));
    let shape = crate::domain::spec_of("container.list").unwrap().returns;
    assert!(shape.coerce(Value::Object(list)).is_ok());
}
