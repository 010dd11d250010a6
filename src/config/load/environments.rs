//! environments.yml.

use super::platform::all;
use super::secrets::Files;
use super::urls;
use crate::config::{
    Autonomy, Credentials, DataStore, DockerConfig, Endpoint, EnvironmentConfig, KindSetting, RestartPolicy, Secret,
    ServiceConfig,
};
use crate::document::{Content, Decode, Fields, Node, Problem, Reports, choices};
use crate::domain::{EnvironmentKind, TimeSpan, nearest};
use std::collections::BTreeMap;

choices! { KindSetting:
    "auto" => KindSetting::Auto,
    "docker" => KindSetting::Fixed(EnvironmentKind::Docker),
    "process" => KindSetting::Fixed(EnvironmentKind::Process),
}
choices! { Autonomy:
    "observe" => Autonomy::Observe,
    "suggest" => Autonomy::Suggest,
    "approve" => Autonomy::Approve,
    "auto" => Autonomy::Auto,
}
choices! { DataStore: "redis" => DataStore::Redis, "postgresql" => DataStore::Postgresql }

impl Decode for RestartPolicy {
    fn decode(node: &Node, reports: &Reports) -> Option<Self> {
        match node.text() {
            Some("no") => Some(Self::No),
            Some("always") => Some(Self::Always),
            Some("unless-stopped") => Some(Self::UnlessStopped),
            Some("on-failure") => Some(Self::OnFailure(0)),
            other => match other.and_then(|text| text.strip_prefix("on-failure:")).map(str::parse) {
                Some(Ok(retries)) => Some(Self::OnFailure(retries)),
                _ => node.no_choice(&["no", "always", "unless-stopped", "on-failure", "on-failure:N"], reports),
            },
        }
    }
}

pub(super) fn read(settings: &Node, secrets: &Files<'_>, reports: &Reports) -> BTreeMap<String, EnvironmentConfig> {
    let Some(node) = settings.get("environments") else { return BTreeMap::new() };
    let entries = node.entries(reports);
    if entries.is_empty() {
        reports.at(node, "there is no environment", "add one: 'local: {kind: auto}'");
    }
    for (key, _) in entries {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if key.name.is_empty() || !key.name.chars().all(plain) {
            let what = format!("'{}' cannot be the name of an environment", key.name);
            reports.add(Problem::new(&key.place, what, "use letters, digits, - and _"));
        }
    }
    entries
        .iter()
        .filter_map(|(key, node)| Some((key.name.clone(), environment(&key.name, node, secrets, reports)?)))
        .collect()
}

fn environment(name: &str, node: &Node, secrets: &Files<'_>, reports: &Reports) -> Option<EnvironmentConfig> {
    let fields = Fields::of(node, reports)?;
    let (kind, autonomy) = (fields.or("kind", KindSetting::Auto), fields.or("autonomy", Autonomy::Approve));
    let matches = fields.or("matches", Vec::new());
    let docker = fields.raw("docker").map_or(Some(DockerConfig::default()), |node| docker(node, reports));
    let prometheus = endpoint(&fields, "prometheus", secrets);
    let alertmanager = endpoint(&fields, "alertmanager", secrets);
    let read_only_commands = all(fields.elements("read_only_commands"), |node| command(node, reports));
    let inventory_every = fields.or("inventory_every", TimeSpan::from_secs(10));
    let entries = fields.entries("services");
    let services: Vec<Option<(String, ServiceConfig)>> =
        entries.iter().map(|(key, node)| Some((key.name.clone(), service(node, secrets, reports)?))).collect();
    for (_, node) in entries {
        known_dependencies(node, entries.iter().map(|(key, _)| key.name.as_str()), kind, reports);
    }
    fields.finish();
    Some(EnvironmentConfig {
        name: name.to_owned(),
        kind: kind?,
        autonomy: autonomy?,
        matches: matches?,
        docker: docker?,
        prometheus: prometheus?,
        alertmanager: alertmanager?,
        read_only_commands: read_only_commands?,
        services: services.into_iter().collect::<Option<_>>()?,
        inventory_every: inventory_every?.max(TimeSpan::from_millis(100)),
    })
}

/// The words that a command begins with. Without a program, they would be those of every command.
fn command(node: &Node, reports: &Reports) -> Option<Vec<String>> {
    let words = Vec::<String>::decode(node, reports)?;
    if words.first().is_none_or(|program| program == "*") {
        reports.at(node, "this would allow every command", "name the program first");
        return None;
    }
    Some(words)
}

/// Where all services are declared, a dependency that is not is a slip of the pen.
fn known_dependencies<'a>(
    service: &Node,
    names: impl Iterator<Item = &'a str> + Clone,
    kind: Option<KindSetting>,
    reports: &Reports,
) {
    if kind != Some(KindSetting::Fixed(EnvironmentKind::Process)) {
        return;
    }
    let Some(Content::List(needed)) = service.get("depends_on").map(|node| &node.content) else { return };
    for node in needed {
        let Some(name) = node.text().filter(|name| !names.clone().any(|known| known == *name)) else { continue };
        let fix = match nearest(name, names.clone()).first() {
            Some(near) => format!("did you mean '{near}'?"),
            None => "declare it, or remove it here".to_owned(),
        };
        reports.at(node, format!("there is no service '{name}'"), fix);
    }
}

fn docker(node: &Node, reports: &Reports) -> Option<DockerConfig> {
    let fields = Fields::of(node, reports)?;
    let host: Option<Option<String>> = fields.raw("host").map(|node| String::decode(node, reports));
    let certificates = fields.raw("certificates").map(|node| Decode::decode(node, reports));
    fields.finish();
    Some(DockerConfig { host: given(host)?, certificates: given(certificates)? })
}

/// Turns "given and read" inside out.
fn given<T>(value: Option<Option<T>>) -> Option<Option<T>> {
    value.map_or(Some(None), |value| value.map(Some))
}

fn endpoint(fields: &Fields<'_>, name: &'static str, secrets: &Files<'_>) -> Option<Option<Endpoint>> {
    let Some(node) = fields.raw(name) else { return Some(None) };
    let fields = Fields::of(node, fields.reports)?;
    let url = fields.required_raw("url").and_then(|node| urls::url(node, &["http", "https"], fields.reports));
    let bearer = secrets.secret(&fields, "bearer", "bearer_file");
    let timeout = fields.or("timeout", TimeSpan::from_secs(10));
    fields.finish();
    Some(Some(Endpoint { url: url?, credentials: bearer?.map(Credentials::Bearer), timeout: timeout? }))
}

fn service(node: &Node, secrets: &Files<'_>, reports: &Reports) -> Option<ServiceConfig> {
    let fields = Fields::of(node, reports)?;
    let argv = fields.or("argv", Vec::new());
    let environment: Vec<Option<(String, Secret)>> = fields
        .entries("environment")
        .iter()
        .map(|(key, node)| Some((key.name.clone(), variable(node, secrets, reports)?)))
        .collect();
    let working_dir = given(fields.raw("working_dir").map(|node| Decode::decode(node, reports)));
    let restart = fields.or("restart", RestartPolicy::No);
    let memory = given(fields.raw("memory").map(|node| Decode::decode(node, reports)));
    let replicas = fields.or("replicas", 1);
    let log_file = given(fields.raw("log_file").map(|node| Decode::decode(node, reports)));
    let depends_on = fields.or("depends_on", Vec::new());
    let health = urls::optional(&fields, "health", &["http", "https", "tcp"]);
    let address = given(fields.raw("address").map(|node| urls::address(node, reports)));
    let (job, protected) = (fields.or("job", false), fields.or("protected", false));
    let aliases = fields.or("aliases", Vec::new());
    let clearable = all(fields.elements("clearable"), |node| absolute(node, reports));
    let ownable = all(fields.elements("ownable"), |node| absolute(node, reports));
    let data_store = given(fields.raw("data_store").map(|node| Decode::decode(node, reports)));
    let image = given(fields.raw("image").map(|node| Decode::decode(node, reports)));
    let ready_after = fields.or("ready_after", TimeSpan::from_secs(2));
    fields.finish();
    Some(ServiceConfig {
        argv: argv?,
        environment: environment.into_iter().collect::<Option<_>>()?,
        working_dir: working_dir?,
        restart: restart?,
        memory: memory?,
        replicas: replicas?,
        log_file: log_file?,
        depends_on: depends_on?,
        health: health?,
        address: address?,
        job: job?,
        protected: protected?,
        aliases: aliases?,
        clearable: clearable?,
        ownable: ownable?,
        data_store: data_store?,
        image: image?,
        ready_after: ready_after?,
    })
}

/// The value of an environment variable: a text, or `{file: PATH}`.
fn variable(node: &Node, secrets: &Files<'_>, reports: &Reports) -> Option<Secret> {
    match &node.content {
        Content::Fields(_) => {
            let fields = Fields::of(node, reports)?;
            let file = fields.required_raw("file");
            fields.finish();
            secrets.file(file?, reports)
        }
        _ => secrets.text(node, reports),
    }
}

/// What is cleared or handed to another owner must be said in full.
fn absolute(node: &Node, reports: &Reports) -> Option<String> {
    let path = String::decode(node, reports)?;
    let deep = path.starts_with('/') && path.len() > 1 && !path.split('/').any(|part| part == "..");
    if !deep {
        reports.at(
            node,
            format!("'{path}' is not a path that can be named here"),
            "write an absolute path, not / and without ..",
        );
    }
    deep.then_some(path)
}
