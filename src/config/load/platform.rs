//! platform.yml.

use super::secrets::Files;
use super::urls;
use crate::config::{
    BodyTemplate, Channel, ChannelKind, Credentials, LARGEST_QUEUE, Limits, LogFormat, Notice, Platform, Retention,
    Role, SenderAuth, SenderConfig, Telemetry, TokenConfig,
};
use crate::document::{Decode as _, Fields, Node, Reports, choices};
use crate::domain::{Digest, SenderKind};
use std::{net::SocketAddr, path::PathBuf};
use tracing_subscriber::{EnvFilter, filter::LevelFilter};

choices! { Role: "viewer" => Role::Viewer, "responder" => Role::Responder, "approver" => Role::Approver, "admin" => Role::Admin }
choices! { LogFormat: "human" => LogFormat::Human, "json" => LogFormat::Json }
choices! { ChannelKind: "webhook" => ChannelKind::Webhook, "alertmanager" => ChannelKind::Alertmanager }
choices! { Notice: "approval" => Notice::Approval, "escalation" => Notice::Escalation, "closed" => Notice::Closed }
choices! { SenderKind: "alertmanager" => SenderKind::Alertmanager, "grafana" => SenderKind::Grafana }

/// Schemes of what is asked or told over HTTP.
const HTTP: &[&str] = &["http", "https"];

pub(super) fn read(settings: &Node, secrets: &Files<'_>, reports: &Reports) -> Option<Platform> {
    let fields = Fields::of(settings, reports)?;
    // Parts with files of their own, and folders that were read already.
    for part in ["agents", "environments", "policies", "translations", "runbooks"] {
        fields.raw(part);
    }
    let listen = fields.required_raw("listen").and_then(|node| address(node, reports));
    let data_dir = fields.required::<PathBuf>("data_dir");
    let journal = fields.raw("journal").map(|node| journal(node, reports));
    let public_url = urls::optional(&fields, "public_url", HTTP);
    let allowed_hosts = fields.or("allowed_hosts", Vec::new());
    let allowed_origins = fields.or("allowed_origins", Vec::new());
    let tokens = all(fields.elements("tokens"), |node| token(node, secrets, reports));
    let senders = all(fields.elements("senders"), |node| sender(node, secrets, reports));
    let channels = all(fields.elements("channels"), |node| channel(node, secrets, reports));
    let limits = fields.required_raw("limits").and_then(|node| limits(node, reports));
    let telemetry = fields.required_raw("telemetry").and_then(|node| telemetry(node, reports));
    let retention = fields.required_raw("retention").and_then(|node| retention(node, reports));
    fields.finish();
    let data_dir = data_dir?;
    let journal = match journal {
        Some(journal) => journal?,
        None => format!("sqlite://{}", data_dir.join("journal.db").display()),
    };
    Some(Platform {
        listen: listen?,
        data_dir,
        journal,
        public_url: public_url?,
        allowed_hosts: allowed_hosts?,
        allowed_origins: allowed_origins?,
        tokens: tokens?,
        senders: senders?,
        limits: limits?,
        telemetry: telemetry?,
        channels: channels?,
        retention: retention?,
    })
}

/// Reads every element before one that is wrong ends it.
pub(super) fn all<T>(nodes: &[Node], read: impl Fn(&Node) -> Option<T>) -> Option<Vec<T>> {
    let read: Vec<Option<T>> = nodes.iter().map(read).collect();
    read.into_iter().collect()
}

fn address(node: &Node, reports: &Reports) -> Option<SocketAddr> {
    let text = String::decode(node, reports)?;
    let parsed = text.parse().ok();
    if parsed.is_none() {
        reports.at(node, format!("'{text}' is no address to listen on"), "write IP:PORT, for example 127.0.0.1:9095");
    }
    parsed
}

fn journal(node: &Node, reports: &Reports) -> Option<String> {
    let text = String::decode(node, reports)?;
    if text.strip_prefix("sqlite://").is_none_or(|path| path.is_empty() || path.contains('?')) {
        reports.at(node, format!("'{text}' names no journal"), "write sqlite:// and the path of a file");
        return None;
    }
    Some(text)
}

fn token(node: &Node, secrets: &Files<'_>, reports: &Reports) -> Option<TokenConfig> {
    let fields = Fields::of(node, reports)?;
    let (name, role) = (fields.required("name"), fields.required("role"));
    let hash = hashed(&fields, secrets, "hash", "token", "token_file");
    fields.finish();
    Some(TokenConfig { name: name?, role: role?, hash: hash? })
}

/// A hash that is given, or that of a secret that is given.
fn hashed(
    fields: &Fields<'_>,
    secrets: &Files<'_>,
    hash: &'static str,
    plain: &'static str,
    file: &'static str,
) -> Option<Digest> {
    let secret = secrets.secret(fields, plain, file)?;
    match (fields.raw(hash), secret) {
        (Some(node), None) => {
            let text = String::decode(node, fields.reports)?;
            if text.len() == 64 && text.chars().all(|c| c.is_ascii_hexdigit()) {
                return Some(Digest::new(text.to_ascii_lowercase()));
            }
            let fix = "write the 64 hexadecimal digits that sha256sum prints";
            fields.reports.at(node, "this is no SHA-256 hash", fix);
            None
        }
        (None, Some(secret)) if secret.expose().len() >= SHORTEST_TOKEN => Some(Digest::of(secret.expose().as_bytes())),
        (None, Some(_)) => {
            let problem = format!("'{plain}' has less than {SHORTEST_TOKEN} characters");
            fields.reports.at(fields.node(), problem, "make a longer one: openssl rand -hex 24");
            None
        }
        (Some(node), Some(_)) => {
            fields.reports.at(node, format!("both '{hash}' and '{plain}' are given"), "remove one of them");
            None
        }
        (None, None) => {
            let problem = format!("'{hash}', '{plain}' or '{file}' is missing");
            fields.reports.at(fields.node(), problem, format!("add '{file}: …'"));
            None
        }
    }
}

/// Shorter tokens can be guessed over the network.
const SHORTEST_TOKEN: usize = 12;

fn sender(node: &Node, secrets: &Files<'_>, reports: &Reports) -> Option<SenderConfig> {
    let fields = Fields::of(node, reports)?;
    let name: Option<String> = fields.required("name");
    let group = fields.or("group", name.clone().unwrap_or_default());
    let kind = fields.required("kind");
    let auth = match fields.raw("auth") {
        Some(node) => auth(node, secrets, reports),
        None => Some(SenderAuth::None),
    };
    let external_url = urls::optional(&fields, "external_url", HTTP);
    let external_auth = match fields.raw("external_auth") {
        Some(node) if external_url == Some(None) => {
            let problem = "there is no 'external_url' to prove anything to";
            reports.at(node, problem, "add 'external_url: …', or remove 'external_auth'");
            None
        }
        Some(node) => credentials(node, secrets, reports).map(Some),
        None => Some(None),
    };
    fields.finish();
    let external_auth = external_auth?;
    Some(SenderConfig {
        name: name?,
        group: group?,
        kind: kind?,
        auth: auth?,
        external_url: external_url?,
        external_auth,
    })
}

/// How oncalld proves who it is: with a token, or with a user's password.
fn credentials(node: &Node, secrets: &Files<'_>, reports: &Reports) -> Option<Credentials> {
    let fields = Fields::of(node, reports)?;
    let bearer = secrets.secret(&fields, "bearer", "bearer_file");
    let basic = fields.raw("basic").map(|node| {
        let fields = Fields::of(node, reports)?;
        let (user, password) = (fields.required("user"), secrets.secret(&fields, "password", "password_file"));
        if password == Some(None) {
            reports.at(node, "'password' or 'password_file' is missing", "add 'password_file: …'");
        }
        fields.finish();
        Some(Credentials::Basic { user: user?, password: password?? })
    });
    fields.finish();
    match (bearer?, basic) {
        (Some(token), None) => Some(Credentials::Bearer(token)),
        (None, Some(basic)) => basic,
        _ => {
            let problem = "there is not exactly one way to prove who oncalld is";
            reports.at(node, problem, "give one of 'bearer_file: …' and 'basic: {user: …, password_file: …}'");
            None
        }
    }
}

fn auth(node: &Node, secrets: &Files<'_>, reports: &Reports) -> Option<SenderAuth> {
    let fields = Fields::of(node, reports)?;
    // each is asked for, so that none is told to be unknown
    let given = |names: &[&'static str]| names.iter().filter(|name| fields.raw(name).is_some()).count() > 0;
    let bearer = given(&["bearer", "bearer_file", "bearer_hash"]);
    let (basic, hmac) = (given(&["basic"]), given(&["hmac", "hmac_file"]));
    let auth = match (bearer, basic, hmac) {
        (true, false, false) => {
            hashed(&fields, secrets, "bearer_hash", "bearer", "bearer_file").map(|hash| SenderAuth::Bearer { hash })
        }
        (false, true, false) => fields.raw("basic").and_then(|node| self::basic(node, secrets, reports)),
        (false, false, true) => secrets.secret(&fields, "hmac", "hmac_file")?.map(|secret| SenderAuth::Hmac { secret }),
        _ => {
            let fix = "give one of 'bearer_file: …', 'basic: …' and 'hmac_file: …'";
            reports.at(node, "there is not exactly one way to prove who it is", fix);
            None
        }
    };
    fields.finish();
    auth
}

fn basic(node: &Node, secrets: &Files<'_>, reports: &Reports) -> Option<SenderAuth> {
    let fields = Fields::of(node, reports)?;
    let user = fields.required("user");
    let hash = hashed(&fields, secrets, "password_hash", "password", "password_file");
    fields.finish();
    Some(SenderAuth::Basic { user: user?, hash: hash? })
}

fn channel(node: &Node, secrets: &Files<'_>, reports: &Reports) -> Option<Channel> {
    let fields = Fields::of(node, reports)?;
    let (name, kind) = (fields.required("name"), fields.required("kind"));
    let url = fields.required_raw("url").and_then(|node| {
        secrets.address(node);
        urls::url(node, HTTP, reports)
    });
    let template = fields.raw("template").map(|node| template(node, reports));
    let secret = secrets.secret(&fields, "secret", "secret_file");
    let on = fields.or("on", vec![Notice::Approval, Notice::Escalation, Notice::Closed]);
    fields.finish();
    Some(Channel {
        name: name?,
        kind: kind?,
        url: url?,
        template: template.map_or(Some(None), |template| template.map(Some))?,
        secret: secret?,
        on: on?,
    })
}

fn template(node: &Node, reports: &Reports) -> Option<String> {
    let text = String::decode(node, reports)?;
    match BodyTemplate::compile(&text) {
        Ok(_) => Some(text),
        Err(problem) => {
            let (what, fix) = problem.split_once("; ").unwrap_or((&problem, "correct the template"));
            reports.at(node, what, fix);
            None
        }
    }
}

fn limits(node: &Node, reports: &Reports) -> Option<Limits> {
    let fields = Fields::of(node, reports)?;
    let (body, evidence) = (fields.required("body"), fields.required("evidence"));
    let request_timeout = fields.required("request_timeout");
    let (queue, concurrent_steps) = (at_least_one(&fields, "queue"), at_least_one(&fields, "concurrent_steps"));
    if let (Some(queue), Some(node)) = (queue, fields.raw("queue"))
        && queue > LARGEST_QUEUE
    {
        reports.at(
            node,
            "who waits at the end of so long a queue gives up before",
            format!("write {LARGEST_QUEUE} or less"),
        );
    }
    fields.finish();
    Some(Limits {
        body: body?,
        request_timeout: request_timeout?,
        queue: queue?,
        concurrent_steps: concurrent_steps?,
        evidence: evidence?,
    })
}

/// With none of these, nothing would ever happen.
fn at_least_one(fields: &Fields<'_>, name: &'static str) -> Option<usize> {
    let number = fields.required(name);
    if let (Some(0), Some(node)) = (number, fields.raw(name)) {
        fields.reports.at(node, format!("with '{name}: 0' nothing would ever happen"), "write 1 or more");
    }
    number
}

fn telemetry(node: &Node, reports: &Reports) -> Option<Telemetry> {
    let fields = Fields::of(node, reports)?;
    let (log, level) = (fields.required("log"), fields.required::<String>("level"));
    if let (Some(level), Some(node)) = (&level, fields.raw("level"))
        && let Some(problem) = no_level(level)
    {
        let fix = "write error, warn, info, debug or trace, or a filter such as oncalld=debug,info";
        reports.at(node, format!("'{level}' is no level: {problem}"), fix);
    }
    fields.finish();
    Some(Telemetry { log: log?, level: level? })
}

/// What is wrong with a filter. A bare word that is no level would be taken for a module, and all others be silent.
fn no_level(level: &str) -> Option<String> {
    if let Err(error) = EnvFilter::try_new(level) {
        return Some(error.to_string());
    }
    let mut words = level.split(',').map(str::trim).filter(|part| !part.contains(['=', '[']));
    let odd = words.find(|word| word.parse::<LevelFilter>().is_err())?;
    Some(format!("there is none of the name '{odd}'"))
}

fn retention(node: &Node, reports: &Reports) -> Option<Retention> {
    let fields = Fields::of(node, reports)?;
    let (blobs, restore) = (fields.required("blobs"), fields.required("restore"));
    fields.finish();
    Some(Retention { blobs: blobs?, restore: restore? })
}
