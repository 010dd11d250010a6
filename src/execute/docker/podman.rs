//! A container as Podman describes it, put as Docker would: without defaults written out and what Podman itself added,
//! so that configurations compare, and a container made of the description is like the one described. Pure.

use super::inspect::strings;
use serde_json::{Map, Value, json};

/// Variables that Podman gives to every container, and would give again.
const GIVEN: [&str; 2] = ["TERM=xterm", "container=podman"];

/// Puts an inspection as Docker would.
pub(super) fn as_docker(mut told: Value) -> Value {
    if let Some(state) = told["State"].as_object_mut() {
        self::state(state);
    }
    let network = first_network(&told);
    if let Some(config) = told["Config"].as_object_mut() {
        self::config(config);
    }
    if let Some(host) = told["HostConfig"].as_object_mut() {
        self::host(host, network);
    }
    told
}

fn state(state: &mut Map<String, Value>) {
    let status = match state.get("Status").and_then(Value::as_str) {
        Some("configured" | "initialized") => "created",
        Some("stopping") => "running",
        Some("stopped") => "exited",
        Some("unknown") => "dead",
        _ => return,
    };
    state.insert("Status".into(), json!(status));
}

/// The network that it was made on, if it has its own: Docker tells its name, Podman only that it is a bridge.
fn first_network(told: &Value) -> Option<String> {
    let networks = told["NetworkSettings"]["Networks"].as_object()?;
    let default = networks.keys().find(|name| *name == "podman");
    default.or_else(|| networks.keys().next()).cloned()
}

fn config(config: &mut Map<String, Value>) {
    let hostname = format!("HOSTNAME={}", config.get("Hostname").and_then(Value::as_str).unwrap_or_default());
    let mut variables = strings(config.get("Env").unwrap_or(&Value::Null));
    variables.retain(|entry| !GIVEN.contains(&entry.as_str()) && *entry != hostname);
    config.insert("Env".into(), json!(variables));
    if config.get("StopSignal") == Some(&json!("15")) {
        config.remove("StopSignal"); // what everybody sends who is told nothing
    }
}

fn host(host: &mut Map<String, Value>, network: Option<String>) {
    for (name, default) in [
        ("Runtime", "oci"),
        ("PidMode", "private"),
        ("UTSMode", "private"),
        ("IpcMode", "shareable"),
        ("CgroupnsMode", "private"),
    ] {
        if host.get(name) == Some(&json!(default)) {
            host.remove(name);
        }
    }
    let number = |host: &Map<String, Value>, name: &str| host.get(name).and_then(Value::as_i64).unwrap_or(0);
    // One limit of CPUs is told in two ways, and to ask in both is refused.
    if number(host, "NanoCpus") > 0 {
        host.remove("CpuPeriod");
        host.remove("CpuQuota");
    }
    // Without a limit of memory this says nothing, and asked for it would be a setting.
    if number(host, "Memory") == 0 && number(host, "MemorySwappiness") == 0 {
        host.remove("MemorySwappiness");
    }
    // It is told by the one name and asked for by either.
    if let Some(log) = host.get_mut("LogConfig").filter(|log| log["Type"] == "json-file") {
        log["Type"] = json!("k8s-file");
    }
    if let Some(Value::Array(limits)) = host.get_mut("Ulimits") {
        for limit in limits {
            let name = limit["Name"].as_str().unwrap_or_default();
            limit["Name"] = json!(name.strip_prefix("RLIMIT_").unwrap_or(name).to_ascii_lowercase());
        }
    }
    if let Some(network) = network.filter(|_| host.get("NetworkMode") == Some(&json!("bridge"))) {
        host.insert("NetworkMode".into(), json!(network));
    }
}

/// Options of a container that its descriptions do not show, or not truly, so that it cannot be made again with them.
const HIDDEN: [&str; 6] = ["--ip", "--ip6", "--mac-address", "--sysctl", "--log-opt", "--umask"];

/// What may differ between a container and one that is made like it.
const OWN: [&str; 4] = ["RestartPolicy", "ContainerIDFile", "Binds", "LogConfig"];

/// Parts of a configuration that Docker's API does not know.
const FURTHER: [&str; 5] = ["Secrets", "Timezone", "Timeout", "StopTimeout", "HealthcheckOnFailureAction"];

/// What of a container is missing in one that was made like it, by Podman's own descriptions of both: names of settings.
pub(super) fn lost(old: &Value, new: &Value) -> Vec<String> {
    let mut lost: Vec<String> = hidden(old).map(str::to_owned).collect();
    for (name, value) in old["HostConfig"].as_object().into_iter().flatten() {
        if !OWN.contains(&name.as_str()) && in_order(value) != in_order(&new["HostConfig"][name]) {
            lost.push(name.clone());
        }
    }
    lost.extend(FURTHER.into_iter().filter(|name| old["Config"][name] != new["Config"][name]).map(str::to_owned));
    for (name, value) in old["Config"]["Annotations"].as_object().into_iter().flatten() {
        if name.starts_with("io.podman.") && *value != new["Config"]["Annotations"][name] {
            lost.push(name.clone());
        }
    }
    if old["Pod"] != new["Pod"] {
        lost.push("Pod".into());
    }
    lost
}

/// A list in an order of its own: some come in any.
fn in_order(value: &Value) -> Value {
    let Value::Array(items) = value else { return value.clone() };
    let mut items = items.clone();
    items.sort_by_key(Value::to_string);
    Value::Array(items)
}

/// Those among the words that made it, up to its image: what follows is its own command.
fn hidden(told: &Value) -> impl Iterator<Item = &'static str> {
    let image = told["ImageName"].as_str().unwrap_or_default();
    let words = strings(&told["Config"]["CreateCommand"]);
    let options: Vec<String> =
        words.into_iter().take_while(|word| word.is_empty() || !image.ends_with(word.as_str())).collect();
    let given = move |option: &&str| {
        options
            .iter()
            .any(|word| word.strip_prefix(*option).is_some_and(|rest| rest.is_empty() || rest.starts_with('=')))
    };
    HIDDEN.into_iter().filter(given)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_says_what_docker_would() {
        let told = json!({
            "State": {"Status": "stopped"},
            "Config": {"Hostname": "0123456789ab", "StopSignal": "15", "Env": [
                "PATH=/bin", "TERM=xterm", "container=podman", "A=1", "HOSTNAME=0123456789ab",
            ]},
            "HostConfig": {
                "Runtime": "oci", "PidMode": "private", "NetworkMode": "bridge", "NanoCpus": 500_000_000, "CpuQuota": 50_000,
                "CpuPeriod": 100_000, "Memory": 0, "MemorySwappiness": 0, "Ulimits": [{"Name": "RLIMIT_NOFILE", "Soft": 1}],
            },
            "NetworkSettings": {"Networks": {"shop": {}, "back": {}}},
        });
        assert_eq!(
            as_docker(told),
            json!({
                "State": {"Status": "exited"},
                "Config": {"Hostname": "0123456789ab", "Env": ["PATH=/bin", "A=1"]},
                "HostConfig": {
                    "NetworkMode": "back", "NanoCpus": 500_000_000, "Memory": 0, "Ulimits": [{"Name": "nofile", "Soft": 1}],
                },
                "NetworkSettings": {"Networks": {"shop": {}, "back": {}}},
            })
        );
    }

    #[test]
    fn what_a_copy_lacks_is_named() {
        let words =
            ["podman", "run", "--name", "api", "--sysctl", "a=b", "--ip=10.1.1.1", "shop/api:v1", "--log-opt", "x"];
        let old = json!({
            "ImageName": "localhost/shop/api:v1", "Pod": "1f",
            "Config": {"CreateCommand": words, "Secrets": [{"Name": "key"}], "Annotations": {
                "io.podman.annotations.init": "TRUE", "created": "then",
            }},
            "HostConfig": {"Memory": 7, "Binds": ["a:/a"], "UsernsMode": "private", "CapAdd": ["B", "A"]},
        });
        let mut copy = old.clone();
        copy["Config"]["Annotations"]["created"] = json!("now");
        copy["HostConfig"]["Binds"] = json!(["b:/a"]);
        copy["HostConfig"]["CapAdd"] = json!(["A", "B"]);
        assert_eq!(lost(&old, &copy), ["--ip", "--sysctl"]);
        let poor = json!({"Config": {}, "HostConfig": {"Memory": 7, "UsernsMode": ""}, "Pod": ""});
        let expected = ["--ip", "--sysctl", "CapAdd", "UsernsMode", "Secrets", "io.podman.annotations.init", "Pod"];
        assert_eq!(lost(&old, &poor), expected);
    }

    #[test]
    fn what_somebody_chose_stays() {
        let chosen = json!({
            "State": {"Status": "paused"},
            "Config": {"Hostname": "shop", "StopSignal": "2", "Env": ["TERM=vt100", "HOSTNAME=another"]},
            "HostConfig": {"Runtime": "crun", "PidMode": "host", "NetworkMode": "host", "CpuQuota": 5, "Memory": 1, "MemorySwappiness": 0},
        });
        assert_eq!(as_docker(chosen.clone()), chosen);
    }
}
