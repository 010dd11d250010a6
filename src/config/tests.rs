//! Configurations as they are shipped, as people change them, and as they break them.

use super::*;
use crate::document::Problems;
use crate::domain::{ByteSize, Digest, EnvironmentKind};
use std::collections::BTreeMap;

fn texts<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(name, text)| (name.to_owned(), text.to_owned())).collect()
}

/// These files in the place of the compiled-in ones, but for settings, which are layered over them.
fn over_built_in(files: BTreeMap<String, String>) -> Sources {
    let mut sources = Sources::built_in();
    for (path, text) in files {
        if !["config/platform.yml", "config/policies.yml", "config/agents.yml"].contains(&path.as_str()) {
            sources.0.remove(&format!("built-in/{path}"));
        }
        sources.0.insert(path, text);
    }
    sources
}

fn load<const F: usize, const V: usize>(
    files: [(&str, &str); F],
    variables: [(&str, &str); V],
) -> Result<Config, Problems> {
    Config::load(over_built_in(texts(files)), &texts(variables))
}

/// What `check` prints for a configuration.
fn problems<const F: usize>(files: [(&str, &str); F]) -> String {
    load(files, []).map(|_| "no problem").unwrap_err().to_string()
}

#[test]
fn the_shipped_configuration_has_no_problems() {
    let config = load([], []).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(config.platform.listen.to_string(), "127.0.0.1:9095");
    assert_eq!(config.platform.journal, "sqlite://oncalld-data/journal.db");
    assert_eq!(config.environments["local"].kind, KindSetting::Auto);
    assert_eq!(config.environments["local"].autonomy, Autonomy::Approve);
    assert_eq!((config.policies.budgets.per_target, config.policies.budgets.per_environment), (2, 5));
    assert!(config.catalog.operations.len() >= 37);
    assert_eq!(config.digest, config.sources.digest());
    let again = Config::load(Sources::from_bytes(&config.sources.to_bytes()).unwrap(), &BTreeMap::new()).unwrap();
    assert_eq!(again.digest, config.digest);
}

#[test]
fn later_layers_win_and_texts_stay_texts() {
    let platform = "limits: {body: 3MiB}\ntokens: [{name: ci, role: viewer, token: \"${CI_TOKEN}\"}]\n";
    let config = load(
        [("config/platform.yml", platform)],
        [
            ("CI_TOKEN", "0123456789012"),
            ("ONCALLD_LIMITS__QUEUE", "7"),
            ("ONCALLD_DATA_DIR", "0123456"),
            ("ONCALLD_ALLOWED_HOSTS", "a.example, b.example"),
            ("ONCALLD_ENVIRONMENTS__LOCAL__AUTONOMY", "observe"),
            ("ONCALLD_ENVIRONMENTS__LOCAL__PROMETHEUS", "{url: http://p:9090}"),
            ("ONCALLD_PORT", "tcp://10.0.0.1:9095"),
            ("ONCALLD_URL", "http://127.0.0.1:1"),
        ],
    )
    .unwrap_or_else(|problems| panic!("{problems}"));
    let platform = &config.platform;
    assert_eq!(
        (platform.limits.body, platform.limits.queue, platform.limits.concurrent_steps),
        (ByteSize(3 << 20), 7, 16)
    );
    assert_eq!(platform.tokens[0].hash, Digest::of(b"0123456789012"));
    assert_eq!(platform.data_dir.to_str(), Some("0123456"));
    assert_eq!(platform.allowed_hosts, ["a.example", "b.example"]);
    assert_eq!(config.environments["local"].autonomy, Autonomy::Observe);
    assert_eq!(config.environments["local"].prometheus.as_ref().unwrap().url, "http://p:9090");
    assert!(config.environments["local"].read_only_commands.len() > 3, "the file's other settings stay");
}

#[test]
fn files_of_one_name_do_not_hide_one_another() {
    let texts = [("config/policies.yml", "freeze: []"), ("config/policies.yaml", "freeze: []")];
    assert_eq!(problems(texts), "config/policies.yml:1:1: config/policies.yaml has the same name; keep one of them");
    let misnamed = [("config/policy.yaml", "freeze: []")];
    assert!(problems(misnamed).starts_with("config/policy.yaml:1:1: no file of this folder is named"));
    let runbook = [("runbooks/own.YAML", "id: own")];
    assert!(problems(runbook).starts_with("runbooks/own.YAML:1:1: "), "it is read as a runbook");
}

#[test]
fn a_queue_has_an_end() {
    let long = problems([("config/platform.yml", "limits: {queue: 10001}")]);
    assert!(long.starts_with("config/platform.yml:1:17: "), "{long}");
}

#[test]
fn a_variable_that_a_file_takes_is_no_setting() {
    let platform = "tokens: [{name: ops, role: admin, token: \"${ONCALLD_OPS}\"}]";
    assert!(load([("config/platform.yml", platform)], [("ONCALLD_OPS", "secret-of-ops")]).is_ok());
    let mistakes = load([], [("ONCALLD_LISTNE", "x"), ("ONCALLD_LIMITS__QUEUE", "many")]).unwrap_err();
    insta::assert_snapshot!(mistakes);
}

#[test]
fn secrets_come_from_files_and_are_never_printed() {
    let environments = "
shop:
  kind: process
  prometheus: {url: 'http://p', bearer_file: run/prometheus}
  services:
    api: {argv: [api], environment: {PASSWORD: {file: /run/db}, MODE: fast}, restart: 'on-failure:3', memory: 64MiB}
";
    let files = [("run/prometheus", "hunter2\n"), ("/run/db", "opensesame")];
    let sources = over_built_in(texts([("config/environments.yml", environments)]));
    assert_eq!(Config::secret_files(&sources, &BTreeMap::new()), ["run/prometheus", "/run/db"]);
    let config = Config::load(sources, &texts(files)).unwrap_or_else(|problems| panic!("{problems}"));
    let shop = &config.environments["shop"];
    assert_eq!(shop.kind, KindSetting::Fixed(EnvironmentKind::Process));
    assert_eq!(shop.prometheus.as_ref().unwrap().credentials, Some(Credentials::Bearer(Secret::new("hunter2"))));
    assert_eq!(shop.services["api"].environment["PASSWORD"].expose(), "opensesame");
    assert_eq!(shop.services["api"].restart, RestartPolicy::OnFailure(3));
    assert!(!config.environments.contains_key("local"), "a user's environments replace the compiled-in one");
    let printed = format!("{config:?}");
    assert!(!printed.contains("hunter2") && !printed.contains("opensesame"));
}

#[test]
fn what_is_kept_of_a_configuration_has_no_secret() {
    let platform = "
# the old one was comment-secret
tokens: [{name: a, role: admin, token: inline-token-1}]
senders:
  - {name: am, kind: alertmanager, auth: {bearer: &shared 'inline-bearer-2'}}
  - {name: basic, kind: alertmanager, auth: {basic: {user: u, password: inline-password-3}}}
  - {name: g, kind: grafana, auth: {hmac: \"inline\\x2dhmac-4\"}}
  - {name: h, kind: grafana, auth: {hmac: \"${HMAC}\"}}
channels:
  - {name: chat, kind: webhook, url: 'https://hooks.example/T0/inline-path-5', secret: *shared}
  - {name: other, kind: webhook, url: 'https://hooks.example', secret: '${NOT_SET:-inline-default-6}'}
";
    let environments = "
shop:
  kind: process
  prometheus: {url: 'http://p:9090', bearer: inline-bearer-7}
  services:
    api:
      argv: [api]
      environment:
        PASSWORD: >-
          inline-folded-8
          and-more-9
        PORT: '8080'
    web: {argv: [web], environment: {PASSWORD: {file: /run/db}}}
";
    let files = [("config/platform.yml", platform), ("config/environments.yml", environments)];
    let variables = [("HMAC", "from-a-variable"), ("/run/db", "from-a-file")];
    let config = load(files, variables).unwrap_or_else(|problems| panic!("{problems}"));
    assert_eq!(
        config.environments["shop"].services["api"].environment["PASSWORD"].expose(),
        "inline-folded-8 and-more-9"
    );
    assert_eq!(config.platform.senders[2].auth, SenderAuth::Hmac { secret: Secret::new("inline-hmac-4") });
    let kept = String::from_utf8(config.sources.to_bytes()).unwrap();
    for secret in ["inline", "and-more", "comment-secret", "from-a-variable", "from-a-file", "hooks.example"] {
        assert!(!kept.contains(secret), "{secret} is kept");
    }
    assert!(kept.contains("${HMAC}") && kept.contains("http://p:9090"), "the rest is kept");
    let again = Config::load(Sources::from_bytes(kept.as_bytes()).unwrap(), &texts(variables));
    let again = again.unwrap_or_else(|problems| panic!("what was kept can be read: {problems}"));
    assert_eq!((&again.digest, &again.sources), (&config.digest, &config.sources));
}

#[test]
fn an_address_that_others_reach_needs_tokens() {
    let open = "listen: 0.0.0.0:9095\nsenders: [{name: am, kind: alertmanager}]\n";
    insta::assert_snapshot!(problems([("config/platform.yml", open)]));
    let closed = "listen: '[::]:9095'\ntokens: [{name: a, role: admin, token: '0123456789abc'}]\n";
    assert!(load([("config/platform.yml", closed)], []).is_ok());
}

#[test]
fn every_mistake_of_settings_is_told_at_once() {
    let platform = "
listen: localhost
limitz: {body: 1MiB}
limits: {queue: 0, request_timeout: 30, body: 2XB}
tokens:
  - {name: a, role: root, hash: abc}
  - {name: a, role: admin}
  - {name: b, role: admin, token_file: /run/absent}
senders:
  - {name: am, kind: nagios, auth: {bearer: x, hmac: y}}
channels:
  - {name: chat, kind: webhook, url: 'chat.example', on: [approvals], template: '${{ titel }}'}
public_url: ftp://x
journal: postgres://x
data_dir: ${UNSET}
";
    let environments = "
a:
  kind: dokcer
  services:
    api: {argv: run, depends_on: [api], health: 'htp://x', address: x, clearable: [/, /var/../etc], restart: sometimes}
b:
  kind: process
  matches: []
  read_only_commands: [[], ['*']]
  services:
    api: {depends_on: [chache]}
    cache: {replicas: -1, memory: lots}
";
    let policies = "
rules:
  - {name: r, when: 'target.nmae == 1', decision: maybe, quorum: 0}
freeze:
  - {name: f, from: 2026-12-27T00:00:00Z, to: 2026-12-24T00:00:00Z, environments: [c]}
  - {name: g, from: '25:00', to: '06:00'}
unprotect: [{environment: x, service: y}]
storm: {percent: 130}
";
    let agents = "
models:
  one: {provider: oracle, model: x}
  two: {provider: compatible, model: x, temperature: 3}
  three: {provider: azure, model: x, base_url: 'https://x', prices: {input: -1}}
  four: {provider: ollama, model: x, max_input_tokens: 8000, max_output_tokens: 0, timeout: 0s}
planner: {models: [onee]}
analyst: {models: [one, one]}
reporter: {provider: runbook, timeout: 0s}
";
    insta::assert_snapshot!(problems([
        ("config/platform.yml", platform),
        ("config/environments.yml", environments),
        ("config/policies.yml", policies),
        ("config/agents.yml", agents),
        ("config/prompts/planner.md", "Look at ${{ target }},\nand do what ${{ alert.name }} says."),
        ("config/prompts/planer.md", "Plan well."),
        ("config/prompts/README.md", "What these are for."),
    ]));
}

/// A catalogue of its own, without the compiled-in runbooks, which are about other operations.
fn catalogue_problems<const F: usize>(files: [(&str, &str); F]) -> String {
    let mut sources = over_built_in(texts(files));
    sources.0.retain(|path, _| !path.starts_with("built-in/runbooks/"));
    Config::load(sources, &BTreeMap::new()).map(|_| "no problem").unwrap_err().to_string()
}

#[test]
fn every_mistake_of_operations_and_runbooks_is_told_at_once() {
    let operations = "
look:
  description: Looks
  risk: read_only
  returns: container.status
  undo: auto
poke:
  description: Pokes
  risk: reversible
  raise: [{to: reversible, when: 'forec'}]
  parameters:
    force: {type: boolean, default: maybe}
    level: {type: integer, range: [1, 10], default: 11, required: true}
    step: {type: string}
    kind: {type: text}
  returns: {changed: boolean, detail: string, id: string}
  guard: [config_digset]
  changes: {memory: '1'}
  verify: {operation: poke, with: {level: 12}, expect: evidence.changd, soak: 1m}
break:
  description: Breaks
  risk: destructive
  returns: container.kill
  probe: now.restart_count
";
    let all = "not_supported: [look, poke, break]\noperations: {}\n";
    let runbook = "
id: One
description: One
steps:
  - {id: seen, phase: triaeg, operation: look, reason: x}
  - {id: poked, phase: triage, operation: poke, with: {level: 5, fast: true}, reason: x}
  - {id: seen, phase: triage, operation: look, with: {}, reason: y}
findings:
  - {id: f, when: seen.exit_cod == 1, cause: c, summary: 'is ${{ seen.state + 1 }}', cites: [sen], remedies: [r, s]}
  - {id: g, when: seen.image, confidence: 2.0, summary: x, cites: []}
remedies:
  - {id: r, steps: [{operation: poke, with: {level: '${{ seen.image }}'}, target: '${{ alert.labels.pod }}', reason: x}]}
  - {id: unused}
no_fault: seen.instances.all(i, i.redy)
";
    insta::assert_snapshot!(catalogue_problems([
        ("config/operations.yml", operations),
        ("translations/docker.yml", all),
        ("translations/process.yml", all),
        ("runbooks/one.yml", runbook),
    ]));
}

#[test]
fn every_mistake_of_translations_is_told_at_once() {
    let operations = "
look: {description: Looks, risk: read_only, returns: container.status}
list: {description: Lists, risk: read_only, returns: container.list, on: environment}
poke:
  description: Pokes
  risk: reversible
  parameters: {level: {type: integer, required: true}}
  returns: {changed: boolean, detail: string, id: string}
  undo: auto
";
    let docker = "
not_supported: [nothing, look]
operations:
  look:
    - {call: container.staus, with: {}}
  poke:
    - {when: level == 1, call: container.kill, with: {container: a, signal: 9, force: true}}
    - {call: container.stop, with: {container: '${{ target.nmae }}', stop_timeout: 1s}}
    - {when: 'true', each: instance, call: container.start, with: {container: '${{ level }}'}}
  poek: []
";
    let process = "
operations:
  look:
    - {calls: [{call: process.status, with: {}, as: before}], call: process.status}
  list:
    - {call: process.status, with: {service: a}, returns: {services: [], count: 1}}
  poke:
    - calls:
        - {call: process.start, with: {service: '${{ instance.id }}'}, undo: {call: process.status, with: {service: x}}}
    - calls:
        - {call: process.start, with: {service: '${{ target.name }}'}, undo: {call: process.stop, with: {service: x}}}
        - {call: process.status, with: {service: '${{ target.name }}'}}
";
    let files = [
        ("config/operations.yml", operations),
        ("translations/docker.yml", docker),
        ("translations/process.yml", process),
    ];
    insta::assert_snapshot!(catalogue_problems(files));
}

#[test]
fn a_broken_document_does_not_hide_the_others() {
    insta::assert_snapshot!(problems([
        ("config/platform.yml", "listen: 127.0.0.1:1\nlisten: 127.0.0.1:2\n"),
        ("config/policies.yml", "rules: [\n"),
        ("config/environments.yml", "[]"),
        ("config/operations.yml", "restart_service: [\n"),
        ("config/platfrom.yml", "listen: 127.0.0.1:1\n"),
        ("translations/podman.yml", "operations: {}\n"),
    ]));
}

#[test]
fn what_a_sender_is_asked_with_is_a_secret() {
    let with = |auth: &str| {
        format!("senders: [{{name: am, kind: alertmanager, external_url: 'http://am:9093', external_auth: {auth}}}]\n")
    };
    let header = |auth: &str| {
        let config = load([("config/platform.yml", with(auth).as_str())], [("/run/token", "of-a-file\n")]).unwrap();
        assert!(!config.sources.to_bytes().windows(9).any(|bytes| bytes == b"sesame-42"), "it is in no journal");
        let credentials = config.platform.senders[0].external_auth.clone().unwrap();
        assert!(config.secrets().contains(&credentials.secret().expose().to_owned()), "it is redacted");
        assert!(!format!("{credentials:?}").contains("sesame-42"));
        credentials.header().expose().to_owned()
    };
    assert_eq!(header("{bearer: sesame-42}"), "Bearer sesame-42");
    assert_eq!(header("{bearer_file: /run/token}"), "Bearer of-a-file");
    assert_eq!(header("{basic: {user: oncalld, password: sesame-42}}"), "Basic b25jYWxsZDpzZXNhbWUtNDI=");
    let wrong = |auth: &str| problems([("config/platform.yml", with(auth).as_str())]);
    assert!(wrong("{}").contains("not exactly one way"), "{}", wrong("{}"));
    let both = "{bearer: a, basic: {user: u, password: p}}";
    assert!(wrong(both).contains("not exactly one way"), "{}", wrong(both));
    assert!(wrong("{basic: {user: u}}").contains("'password' or 'password_file' is missing"));
    let nowhere = "senders: [{name: am, kind: alertmanager, external_auth: {bearer: a}}]\n";
    assert!(problems([("config/platform.yml", nowhere)]).contains("there is no 'external_url'"));
}

#[test]
fn a_level_that_is_none_is_a_mistake() {
    for level in ["oncalld=loud", "warning", "oncalld=debug,verbose"] {
        let told = problems([("config/platform.yml", &format!("telemetry: {{level: \"{level}\"}}\n"))]);
        assert!(told.contains("config/platform.yml:1") && told.contains(&format!("'{level}' is no level")), "{told}");
    }
}
