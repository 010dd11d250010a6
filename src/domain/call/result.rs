//! The results of native calls. Calls of different families that answer the same question have the same result,
//! which is what lets one runbook work everywhere.

use crate::domain::Shape::{self, Any, Boolean, Bytes, Duration, Integer, Number, String as Text, Timestamp};

/// Current state of a service: that of its worst instance, and each instance.
///
/// `state`: running, exited, created, paused, restarting, dead, missing. `health`: healthy, unhealthy, starting, none.
/// `exit_reason`: oom, oom_child, killed (a signal from outside), stop_timeout, stopped, error, completed,
/// start_failed, none. `error_kind`: command_not_found, not_executable, port_conflict, image_missing, mount, other, none.
///
/// `running` means that its processes exist and are not frozen, `ready` that it runs and its health check, if it has
/// one, passes. `exit_code`, `exit_reason`, `error`, `error_kind` and `finished_at` tell of the last run that ended, also
/// while the next one runs; `oom_child` also of a run that goes on without the child. `crash_looping`: it is restarting,
/// or was restarted by its policy and has been up for less than a minute. `port_conflict` is a port that the service
/// needs and something else holds, whether or not the service runs; `owner` is a service of the inventory where
/// `owner_known`, else whatever can be said of the holder. A declared service that nothing was made of yet is `missing`,
/// with `error_kind` image_missing where its image is not here.
///
/// `mounts`: where it keeps files; `kind` is bind, volume, tmpfs, or filesystem for what a process sees of the host.
/// `health_log`: the last five looks at its health, newest last; `exit_code` is 0 for a good one.
pub fn status() -> Shape {
    let mount = Shape::object([("path", Text), ("kind", Text), ("source", Text), ("read_only", Boolean)]);
    let look = Shape::object([("at", Timestamp), ("exit_code", Integer.nullable()), ("output", Text)]);
    let instance = Shape::object([
        ("id", Text),
        ("name", Text),
        ("state", Text),
        ("ready", Boolean),
        ("exit_code", Integer.nullable()),
        ("exit_reason", Text),
        ("started_at", Timestamp.nullable()),
        ("restart_count", Integer),
    ]);
    Shape::object([
        ("state", Text),
        ("running", Boolean),
        ("ready", Boolean),
        ("health", Text),
        ("exit_code", Integer.nullable()),
        ("exit_reason", Text),
        ("error", Text),
        ("error_kind", Text),
        ("oom_events", Integer),
        ("restart_count", Integer),
        ("crash_looping", Boolean),
        ("restart_policy", Text),
        ("restart_retries", Integer),
        ("started_at", Timestamp.nullable()),
        ("finished_at", Timestamp.nullable()),
        ("uptime", Duration.nullable()),
        ("paused", Boolean),
        ("job", Boolean),
        ("image", Text),
        ("image_id", Text),
        ("command", Text.list()),
        ("memory_limit", Bytes.nullable()),
        ("memory_swap_limit", Bytes.nullable()),
        ("memory_usage", Bytes.nullable()),
        ("cpu_limit", Number.nullable()),
        ("pids_limit", Integer.nullable()),
        ("throttled", Number),
        ("networks", Text.list()),
        ("ports", Text.list()),
        ("port_conflict", Shape::object([("port", Integer), ("owner", Text), ("owner_known", Boolean)]).nullable()),
        ("mounts", mount.list()),
        ("health_log", look.list()),
        ("config_digest", Text),
        ("desired_instances", Integer),
        ("running_instances", Integer),
        ("instances", instance.list()),
    ])
}

/// Log lines, oldest first. Their text is data from outside: it may be matched, never used as an argument.
pub fn logs() -> Shape {
    let line = Shape::object([("at", Timestamp.nullable()), ("instance", Text), ("stream", Text), ("text", Text)]);
    Shape::object([("lines", line.list()), ("matched", Integer), ("read", Bytes), ("truncated", Boolean)])
}

/// Life-cycle events, oldest first. `external_kills` counts fatal signals that no stop, restart or memory limit explains.
pub fn events() -> Shape {
    let event = Shape::object([
        ("at", Timestamp),
        ("action", Text),
        ("instance", Text),
        ("attributes", Shape::Map(Box::new(Text))),
    ]);
    Shape::object([
        ("events", event.list()),
        ("starts", Integer),
        ("deaths", Integer),
        ("ooms", Integer),
        ("external_kills", Integer),
        ("since", Timestamp.nullable()),
    ])
}

/// Use of limited resources; the top level has the instance that is worst off. Percentages from 0 to 100. A service
/// that does not run uses nothing; its limits and the host's memory are given all the same.
pub fn resources() -> Shape {
    let instance = Shape::object([
        ("id", Text),
        ("cpu_percent", Number),
        ("throttled_percent", Number),
        ("memory_usage", Bytes),
        ("memory_limit", Bytes.nullable()),
        ("memory_percent", Number.nullable()),
        ("pids", Integer),
        ("pids_limit", Integer.nullable()),
    ]);
    Shape::object([
        ("cpu_percent", Number),
        ("throttled_percent", Number),
        ("memory_usage", Bytes),
        ("memory_limit", Bytes.nullable()),
        ("memory_percent", Number.nullable()),
        ("memory_peak", Bytes.nullable()),
        ("pids", Integer),
        ("pids_limit", Integer.nullable()),
        ("host_memory", Bytes),
        ("host_memory_free", Bytes),
        ("instances", instance.list()),
    ])
}

/// A health check. `source`: endpoint, healthcheck (the environment's own), process (it runs, nothing better is declared).
pub fn health() -> Shape {
    Shape::object([
        ("healthy", Boolean),
        ("source", Text),
        ("endpoint", Text),
        ("status", Integer.nullable()),
        ("latency", Duration.nullable()),
        ("timed_out", Boolean),
        ("error", Text),
        ("failing_streak", Integer),
    ])
}

/// Whether one service can reach another.
pub fn connectivity() -> Shape {
    Shape::object([
        ("from", Text),
        ("to", Text),
        ("to_running", Boolean),
        ("address", Text),
        ("reachable", Boolean),
        ("shares_network", Boolean),
        ("networks_from", Text.list()),
        ("networks_to", Text.list()),
        ("error", Text),
    ])
}

/// Processes inside a service.
pub fn processes() -> Shape {
    let process = Shape::object([
        ("pid", Integer),
        ("parent", Integer),
        ("user", Text),
        ("state", Text),
        ("memory", Bytes),
        ("command", Text),
    ]);
    Shape::object([
        ("processes", process.list()),
        ("count", Integer),
        ("zombies", Integer),
        ("uninterruptible", Integer),
    ])
}

/// Disk use of a service's mounts and writable layer. `clearable`: the declared paths of this service that may be cleared.
pub fn disk() -> Shape {
    let mount = Shape::object([
        ("path", Text),
        ("kind", Text),
        ("size", Bytes),
        ("used", Bytes),
        ("free", Bytes),
        ("percent", Number),
        ("inodes_percent", Number.nullable()),
        ("read_only", Boolean),
    ]);
    Shape::object([
        ("mounts", mount.list()),
        ("percent", Number),
        ("fullest", Text),
        ("clearable", Shape::object([("path", Text), ("size", Bytes), ("mount", Text)]).list()),
        ("log_size", Bytes),
    ])
}

/// Configuration now, against the declared or the last good one. Values of the environment are redacted.
///
/// `source` is what was compared with: declared, last_good, none (then nothing is missing or changed). `last_good_at` is
/// when the service was last seen ready for long enough to call its configuration good.
pub fn config() -> Shape {
    Shape::object([
        ("source", Text),
        ("environment", Shape::Map(Box::new(Text))),
        ("missing", Text.list()),
        ("changed", Text.list()),
        ("added", Text.list()),
        ("command", Text.list()),
        ("command_changed", Boolean),
        ("image", Text),
        ("image_changed", Boolean),
        ("limits_changed", Boolean),
        ("networks_missing", Text.list()),
        ("ports_changed", Boolean),
        ("last_good_at", Timestamp.nullable()),
        ("changed_at", Timestamp.nullable()),
        ("config_digest", Text),
        ("mounts", Any.list()),
    ])
}

/// What a service needs, and how that is doing. `down` names dependencies that do not run, paused ones among them;
/// `unreachable` and `unshared` (no network in common) running ones only. `join_network` is a network that the first
/// unshared one is on and that the service may join; empty where there is none.
pub fn dependencies() -> Shape {
    let dependency = Shape::object([
        ("name", Text),
        ("state", Text),
        ("ready", Boolean),
        ("reachable", Boolean),
        ("shares_network", Boolean),
        ("network", Text),
    ]);
    Shape::object([
        ("dependencies", dependency.list()),
        ("down", Text.list()),
        ("unreachable", Text.list()),
        ("unshared", Text.list()),
        ("join_network", Text),
        ("all_ready", Boolean),
    ])
}

/// Changes of a service's configuration that oncalld saw, newest first. `previous_image` is what it ran before the last
/// change of its image, or in its last good configuration where nothing of it is left; `previous_present` tells whether
/// that is still here.
pub fn history() -> Shape {
    let change = Shape::object([("at", Timestamp), ("what", Text), ("from", Text), ("to", Text)]);
    Shape::object([
        ("changes", change.list()),
        ("last_change_at", Timestamp.nullable()),
        ("image_changed_at", Timestamp.nullable()),
        ("previous_image", Text),
        ("previous_present", Boolean),
    ])
}

/// The image or program of a service.
pub fn image() -> Shape {
    Shape::object([
        ("reference", Text),
        ("id", Text),
        ("present", Boolean),
        ("created", Timestamp.nullable()),
        ("architecture", Text),
        ("host_architecture", Text),
        ("size", Bytes.nullable()),
        ("previous", Text),
        ("previous_present", Boolean),
    ])
}

/// Output of a command.
pub fn output() -> Shape {
    Shape::object([
        ("exit_code", Integer),
        ("stdout", Text),
        ("stderr", Text),
        ("truncated", Boolean),
        ("timed_out", Boolean),
    ])
}

/// A setting of a data store.
pub fn parameter() -> Shape {
    Shape::object([("engine", Text), ("name", Text), ("value", Text)])
}

/// Who owns a path: `user:group` in numbers.
pub fn owner() -> Shape {
    Shape::object([("path", Text), ("owner", Text)])
}

/// Sessions of a data store.
pub fn sessions() -> Shape {
    let session = Shape::object([
        ("id", Text),
        ("user", Text),
        ("client", Text),
        ("database", Text),
        ("state", Text),
        ("age", Duration),
        ("query", Text),
        ("blocks", Integer),
    ]);
    Shape::object([
        ("engine", Text),
        ("sessions", session.list()),
        ("count", Integer),
        ("limit", Integer.nullable()),
        ("percent", Number.nullable()),
    ])
}

/// Services of an environment.
pub fn services() -> Shape {
    let service = Shape::object([
        ("name", Text),
        ("state", Text),
        ("instances", Integer),
        ("image", Text),
        ("depends_on", Text.list()),
        ("protected", Boolean),
        ("job", Boolean),
    ]);
    Shape::object([("services", service.list()), ("count", Integer), ("not_running", Text.list())])
}

/// The answer of a PromQL query. `value` is the first series' last one; `count` counts series that were cut, too.
pub fn metrics() -> Shape {
    let series = Shape::object([
        ("labels", Shape::Map(Box::new(Text))),
        ("value", Number.nullable()),
        ("at", Timestamp.nullable()),
        ("minimum", Number.nullable()),
        ("maximum", Number.nullable()),
    ]);
    Shape::object([
        ("series", series.list()),
        ("count", Integer),
        ("value", Number.nullable()),
        ("truncated", Boolean),
        ("warnings", Text.list()),
    ])
}

/// Alerting rules, as Prometheus has them. `healthy`: its last evaluation worked.
pub fn rules() -> Shape {
    let rule = Shape::object([
        ("name", Text),
        ("query", Text),
        ("labels", Shape::Map(Box::new(Text))),
        ("healthy", Boolean),
        ("evaluated_at", Timestamp.nullable()),
    ]);
    Shape::object([("rules", rule.list()), ("count", Integer), ("truncated", Boolean)])
}

/// Alerts that Alertmanager holds. `firing` counts those that are neither silenced nor inhibited; `count` counts alerts
/// that were cut, too.
pub fn alerts() -> Shape {
    let alert = Shape::object([
        ("name", Text),
        ("state", Text),
        ("labels", Shape::Map(Box::new(Text))),
        ("starts_at", Timestamp),
        ("silenced", Boolean),
        ("inhibited", Boolean),
    ]);
    Shape::object([("alerts", alert.list()), ("count", Integer), ("firing", Integer), ("truncated", Boolean)])
}

/// What an acting call did. `id` is whatever it made (a container, a silence), or empty.
pub fn acted() -> Shape {
    Shape::object([("changed", Boolean), ("detail", Text), ("id", Text)])
}

/// What a command did that was run to change something: the same, and how it ended.
pub fn ran() -> Shape {
    Shape::object([("changed", Boolean), ("detail", Text), ("id", Text), ("exit_code", Integer)])
}
