//! Calls that only read.

use super::{Effect::Read, option, quoted, result, words};
use crate::domain::{TimeSpan, Timestamp};

super::native_calls! {
    /// A call that changes nothing, whatever its arguments.
    pub enum ReadCall {
        /// Services of the Docker environment.
        "container.list" ContainerList {}
            Read, result::services(), "docker ps --all".into();
        /// State of a service's containers.
        "container.status" ContainerStatus { containers: Vec<String> }
            Read, result::status(), format!("docker inspect {}", words(containers));
        /// Log lines, filtered before they are kept.
        "container.logs" ContainerLogs {
            containers: Vec<String>, since: Option<Timestamp>, until: Option<Timestamp>, tail: Option<i64>,
            level: Option<String>, pattern: Option<String>,
        }
            Read, result::logs(),
            format!("docker logs{}{}{} {}{}", option("--since", &since.map(|at| at.to_rfc3339())),
                option("--until", &until.map(|at| at.to_rfc3339())), option("--tail", tail), words(containers),
                pattern.as_ref().map_or_else(String::new, |pattern| format!(" | grep -E {}", quoted(pattern))));
        /// Life-cycle events seen since the daemon subscribed, and those the engine still has.
        "container.events" ContainerEvents { containers: Vec<String>, since: Option<Timestamp> }
            Read, result::events(),
            format!("docker events{} --until 0s{}", option("--since", &since.map(|at| at.to_rfc3339())),
                containers.iter().map(|id| format!(" --filter container={}", quoted(id))).collect::<String>());
        /// CPU, memory and process counts against their limits.
        "container.resources" ContainerResources { containers: Vec<String> }
            Read, result::resources(), format!("docker stats --no-stream {}", words(containers));
        /// The declared endpoint where there is one, else the engine's own health check.
        "container.health" ContainerHealth { containers: Vec<String>, endpoint: Option<String>, timeout: TimeSpan }
            Read, result::health(),
            match endpoint {
                Some(endpoint) => format!("curl --max-time {} {}", timeout.as_secs(), quoted(endpoint)),
                None => format!("docker inspect --format '{{{{json .State.Health}}}}' {}", words(containers)),
            };
        /// Whether a service can reach another one.
        "container.connectivity" ContainerConnectivity { from: String, to: String, port: Option<i64> }
            Read, result::connectivity(), format!("docker exec {} nc -z {}{}", quoted(from), quoted(to), port.map_or_else(|| " <its port>".into(), |port| format!(" {port}")));
        /// Processes inside.
        "container.processes" ContainerProcesses { containers: Vec<String> }
            Read, result::processes(), format!("docker top {}", words(containers));
        /// Disk use of mounts and writable layer.
        "container.disk" ContainerDisk { containers: Vec<String>, service: String }
            Read, result::disk(), format!("docker exec {} df -P", words(containers));
        /// Configuration against the declared or last good one.
        "container.config" ContainerConfig { containers: Vec<String>, service: String }
            Read, result::config(), format!("docker inspect --format '{{{{json .Config}}}}' {}", words(containers));
        /// State of what the service depends on.
        "container.dependencies" ContainerDependencies { service: String }
            Read, result::dependencies(), format!("docker ps --all --format '{{{{.Names}}}} {{{{.Status}}}}' # what {service} needs");
        /// Configuration changes.
        "container.history" ContainerHistory { service: String }
            Read, result::history(), format!("oncalld history {}", quoted(service));
        /// The image.
        "container.image" ContainerImage { containers: Vec<String>, service: String }
            Read, result::image(), format!("docker image inspect $(docker inspect --format '{{{{.Image}}}}' {})", words(containers));
        /// Runs a command that the environment's allow-list knows as read-only; the executor checks that again.
        "container.query" ContainerQuery { container: String, argv: Vec<String>, timeout: TimeSpan }
            Read, result::output(), format!("docker exec {} {}", quoted(container), words(argv));
        /// A setting of a Redis or PostgreSQL server, through its own client in the container.
        "container.parameter" ContainerParameter { container: String, engine: String, name: String }
            Read, result::parameter(), data_store(container, engine, "CONFIG GET", "SHOW", name);
        /// Sessions of a Redis or PostgreSQL server.
        "container.sessions" ContainerSessions { container: String, engine: String }
            Read, result::sessions(), data_store(container, engine, "CLIENT LIST", "SELECT * FROM", "pg_stat_activity");

        /// Services of the process environment.
        "process.list" ProcessList {}
            Read, result::services(), "cat <state.json of each service>".into();
        /// State of a service's processes.
        "process.status" ProcessStatus { service: String }
            Read, result::status(), format!("ps -p <pid of {service}>");
        /// Log lines, filtered before they are kept.
        "process.logs" ProcessLogs {
            service: String, since: Option<Timestamp>, until: Option<Timestamp>, tail: Option<i64>,
            level: Option<String>, pattern: Option<String>,
        }
            Read, result::logs(),
            format!("tail{} <log of {service}>{}", option("-n", tail),
                pattern.as_ref().map_or_else(String::new, |pattern| format!(" | grep -E {}", quoted(pattern))));
        /// Life-cycle events that the shim recorded.
        "process.events" ProcessEvents { service: String, since: Option<Timestamp> }
            Read, result::events(), format!("cat <events of {service}>");
        /// CPU, memory and process counts against their limits.
        "process.resources" ProcessResources { service: String }
            Read, result::resources(), format!("ps -o pid,pcpu,rss,nlwp,args -p <pids of {service}>");
        /// The declared endpoint where there is one, else whether it runs.
        "process.health" ProcessHealth { service: String, endpoint: Option<String>, timeout: TimeSpan }
            Read, result::health(),
            format!("curl --max-time {} {}", timeout.as_secs(), endpoint.as_deref().map_or_else(|| format!("<health endpoint of {service}>"), quoted));
        /// Whether a service's address answers from this host.
        "process.connectivity" ProcessConnectivity { from: String, to: String, port: Option<i64> }
            Read, result::connectivity(), format!("nc -z <address of {to}>{}", port.map_or_else(String::new, |port| format!(" {port}")));
        /// Processes of the service.
        "process.processes" ProcessProcesses { service: String }
            Read, result::processes(), format!("ps -o pid,ppid,stat,wchan,args -p <pids of {service}>");
        /// Disk use of the working folder and declared paths.
        "process.disk" ProcessDisk { service: String }
            Read, result::disk(), format!("df -P <folder of {service}>");
        /// Configuration against the declared or last good one.
        "process.config" ProcessConfig { service: String }
            Read, result::config(), format!("cat <launch.json of {service}>");
        /// State of what the service depends on.
        "process.dependencies" ProcessDependencies { service: String }
            Read, result::dependencies(), format!("nc -z <each address that {service} needs>");
        /// Configuration changes.
        "process.history" ProcessHistory { service: String }
            Read, result::history(), format!("oncalld history {}", quoted(service));
        /// The program.
        "process.image" ProcessImage { service: String }
            Read, result::image(), format!("stat <program of {service}>");
        /// Runs a command that the environment's allow-list knows as read-only; the executor checks that again.
        "process.query" ProcessQuery { service: String, argv: Vec<String>, timeout: TimeSpan }
            Read, result::output(), words(argv);
        /// A setting of a Redis or PostgreSQL server, through its own client.
        "process.parameter" ProcessParameter { service: String, engine: String, name: String }
            Read, result::parameter(), if engine == "redis" { format!("redis-cli CONFIG GET {}", quoted(name)) } else { format!("psql -c {}", quoted(&format!("SHOW {name}"))) };
        /// Sessions of a Redis or PostgreSQL server.
        "process.sessions" ProcessSessions { service: String, engine: String }
            Read, result::sessions(),
            if engine == "redis" { "redis-cli CLIENT LIST".into() } else { "psql -c 'SELECT * FROM pg_stat_activity'".into() };

        /// A PromQL query, instant, or over a range where `range` is given.
        "prometheus.query" PrometheusQuery { query: String, range: Option<TimeSpan>, step: Option<TimeSpan> }
            Read, result::metrics(), format!("promtool query instant $PROMETHEUS {}", quoted(query));
        /// The owner of a declared path.
        "container.owner" ContainerOwner { container: String, service: String, path: String }
            Read, result::owner(), format!("docker exec {} stat -c %u:%g {}", quoted(container), quoted(path));
        /// The owner of a declared path.
        "process.owner" ProcessOwner { service: String, path: String }
            Read, result::owner(), format!("stat -c %u:%g {}", quoted(path));
        /// Alerting rules of this name.
        "prometheus.rules" PrometheusRules { alert: String }
            Read, result::rules(), format!("curl -s $PROMETHEUS/api/v1/rules?type=alert | jq '.data.groups[].rules[] | select(.name == \"{}\")'", alert.replace(['"', '\''], ""));
        /// Alerts that Alertmanager holds, by matchers (`name="value"`).
        "alertmanager.alerts" AlertmanagerAlerts { matchers: Vec<String> }
            Read, result::alerts(), format!("amtool alert query {}", words(matchers));
    }
}

fn data_store(container: &str, engine: &str, redis: &str, postgresql: &str, what: &str) -> String {
    let container = quoted(container);
    match engine {
        "redis" if redis == "CLIENT LIST" => format!("docker exec {container} redis-cli {redis}"),
        "redis" => format!("docker exec {container} redis-cli {redis} {}", quoted(what)),
        _ => format!("docker exec {container} psql -c {}", quoted(&format!("{postgresql} {what}"))),
    }
}
