//! Calls that change something. Only a gate's clearance lets one through to an executor.

use super::{
    Effect::Act,
    option, quoted,
    result::{acted, ran},
    words,
};
use crate::domain::{
    Risk,
    Risk::{Destructive, ReadOnly, Reversible},
    TimeSpan,
};
use std::collections::BTreeMap;

super::native_calls! {
    /// A call that changes something.
    pub enum ActCall {
        /// Stops and starts again; loses what is in memory.
        "container.restart" ContainerRestart { container: String, stop_timeout: TimeSpan }
            Act(Reversible), acted(), format!("docker restart -t {} {}", stop_timeout.as_secs(), quoted(container));
        /// Starts a stopped container.
        "container.start" ContainerStart { container: String }
            Act(Reversible), acted(), format!("docker start {}", quoted(container));
        /// Stops, after a grace period by force.
        "container.stop" ContainerStop { container: String, stop_timeout: TimeSpan }
            Act(Reversible), acted(), format!("docker stop -t {} {}", stop_timeout.as_secs(), quoted(container));
        /// Sends a signal.
        "container.kill" ContainerKill { container: String, signal: String }
            Act(Destructive), acted(), format!("docker kill --signal {} {}", quoted(signal), quoted(container));
        /// Freezes all processes.
        "container.pause" ContainerPause { container: String }
            Act(Reversible), acted(), format!("docker pause {}", quoted(container));
        /// Lets frozen processes go on.
        "container.unpause" ContainerUnpause { container: String }
            Act(Reversible), acted(), format!("docker unpause {}", quoted(container));
        /// Changes limits in place. `memory_swap` of -1 is unlimited; a limit of 0 is lifted, or, where the engine cannot
        /// lift it in place (Docker's memory), set to what the host has.
        "container.update" ContainerUpdate {
            container: String, memory: Option<u64>, memory_swap: Option<i64>, cpus: Option<f64>, pids: Option<i64>,
        }
            Act(Reversible), acted(),
            format!("docker update{}{}{}{} {}", option("--memory", &memory.map(crate::domain::ByteSize)),
                option("--memory-swap", memory_swap), option("--cpus", cpus), option("--pids-limit", pids), quoted(container));
        /// Sets the restart policy: no, always, unless-stopped, on-failure.
        "container.set_restart_policy" ContainerSetRestartPolicy { container: String, policy: String, retries: i64 }
            Act(Reversible), acted(), format!("docker update --restart {} {}", quoted(&restart_policy(policy, *retries)), quoted(container));
        /// Replaces a container by one that differs only in what is given; the old one is renamed, stopped and kept
        /// under a name made of `key`. `restore` names environment variables whose values come from `from` (declared, or
        /// last_good, which the restore store has); `remove` drops variables; `command_from` takes the command from there.
        /// Where nothing is left to replace, `container` is the service's name and all comes from its last good
        /// configuration. What it makes is started, though what it replaces had stopped.
        "container.recreate" ContainerRecreate {
            container: String, key: String, image: Option<String>, command_from: Option<String>,
            restore: Vec<String>, set: BTreeMap<String, String>, remove: Vec<String>, from: Option<String>,
        }
            Act(Destructive), acted(),
            format!("docker rename {c} {c}-{key} && docker stop {c}-{key} && docker run --name {c}{} <all else as it was{}{}{}> {}",
                variables(set, restore), as_from(restore, from), without(remove), command_as(command_from),
                image.as_deref().map_or_else(|| "<the same image>".into(), quoted), c = quoted(container));
        /// Puts the container that `container.recreate` with this `key` kept back in its place; `container` as given there.
        "container.restore" ContainerRestore { container: String, key: String }
            Act(Destructive), acted(), format!("docker rm -f {c} && docker rename {c}-{key} {c} && docker start {c}", c = quoted(container));
        /// Brings a service to this many containers, made like its first.
        "container.scale" ContainerScale { service: String, replicas: i64, key: String }
            Act(Reversible), acted(), format!("docker compose up --scale {}={replicas}", quoted(service));
        /// Attaches a container to a network.
        "container.connect_network" ContainerConnectNetwork { container: String, network: String, aliases: Vec<String> }
            Act(Reversible), acted(),
            format!("docker network connect{} {} {}", aliases.iter().map(|alias| format!(" --alias {}", quoted(alias))).collect::<String>(),
                quoted(network), quoted(container));
        /// Detaches a container from a network.
        "container.disconnect_network" ContainerDisconnectNetwork { container: String, network: String }
            Act(Reversible), acted(), format!("docker network disconnect {} {}", quoted(network), quoted(container));
        /// Runs any command inside.
        "container.exec" ContainerExec { container: String, argv: Vec<String>, timeout: TimeSpan }
            Act(Destructive), ran(), format!("docker exec {} {}", quoted(container), words(argv));
        /// Deletes what is below a declared path: on one file system, following no link.
        "container.clear_path" ContainerClearPath { container: String, service: String, path: String, older_than: Option<TimeSpan> }
            Act(Destructive), acted(),
            format!("docker exec {} find {} -xdev -mindepth 1{} -delete", quoted(container), quoted(path),
                older_than.map_or_else(String::new, |age| format!(" -mmin +{}", age.as_secs() / 60)));
        /// Truncates a container's log after its tail is kept in the restore store.
        "container.rotate_logs" ContainerRotateLogs { container: String }
            Act(Destructive), acted(), format!("truncate --size 0 $(docker inspect --format '{{{{.LogPath}}}}' {})", quoted(container));
        /// Changes the owner of a declared path.
        "container.set_ownership" ContainerSetOwnership { container: String, service: String, path: String, owner: String }
            Act(Reversible), acted(), format!("docker exec -u 0 {} chown {} {}", quoted(container), quoted(owner), quoted(path));
        /// Changes a setting of a Redis or PostgreSQL server while it runs.
        "container.set_parameter" ContainerSetParameter { container: String, engine: String, name: String, value: String }
            Act(Reversible), acted(),
            if engine == "redis" { format!("docker exec {} redis-cli CONFIG SET {} {}", quoted(container), quoted(name), quoted(value)) }
            else { format!("docker exec {} {}", quoted(container), altered(name, value)) };
        /// Ends a session of a Redis or PostgreSQL server.
        "container.terminate_session" ContainerTerminateSession { container: String, engine: String, session: String }
            Act(Destructive), acted(),
            if engine == "redis" { format!("docker exec {} redis-cli CLIENT KILL ID {}", quoted(container), quoted(session)) }
            else { format!("docker exec {} psql -c {}", quoted(container), quoted(&format!("SELECT pg_terminate_backend({session})"))) };
        /// Removes dangling images that no kept container uses, and build cache.
        "container.prune" ContainerPrune {}
            Act(Destructive), acted(), "docker image prune --force && docker builder prune --force".into();

        /// Stops and starts again.
        "process.restart" ProcessRestart { service: String, stop_timeout: TimeSpan, force: bool }
            Act(Reversible), acted(), format!("kill -{} <pid of {service}> && <command of {service}>", if *force { "KILL" } else { "TERM" });
        /// Starts a stopped service.
        "process.start" ProcessStart { service: String }
            Act(Reversible), acted(), format!("<command of {service}>");
        /// Stops, after a grace period by force.
        "process.stop" ProcessStop { service: String, stop_timeout: TimeSpan }
            Act(Reversible), acted(), format!("kill -TERM <pid of {service}>");
        /// Freezes the service.
        "process.pause" ProcessPause { service: String }
            Act(Reversible), acted(), format!("kill -STOP <pid of {service}>");
        /// Lets a frozen service go on.
        "process.unpause" ProcessUnpause { service: String }
            Act(Reversible), acted(), format!("kill -CONT <pid of {service}>");
        /// Changes limits; they hold for the running process at once, 0 lifts one.
        "process.update" ProcessUpdate { service: String, memory: Option<u64>, cpus: Option<f64>, pids: Option<i64> }
            Act(Reversible), acted(),
            format!("<limits of {service}:{}{}{}>", option("memory", &memory.map(crate::domain::ByteSize)), option("cpus", cpus),
                option("pids", pids));
        /// Sets the restart policy: no, always, unless-stopped, on-failure.
        "process.set_restart_policy" ProcessSetRestartPolicy { service: String, policy: String, retries: i64 }
            Act(Reversible), acted(), format!("<restart policy of {service}: {}>", quoted(&restart_policy(policy, *retries)));
        /// Starts the service again with another configuration; the old one is kept under `key`. `image` is the program.
        "process.recreate" ProcessRecreate {
            service: String, key: String, image: Option<String>, command_from: Option<String>,
            restore: Vec<String>, set: BTreeMap<String, String>, remove: Vec<String>, from: Option<String>,
        }
            Act(Reversible), acted(),
            format!("kill -TERM <pid of {service}> && env{}{} <command of {service}{}{}>",
                remove.iter().map(|name| format!(" -u {}", quoted(name))).collect::<String>(),
                set.iter().map(|(name, value)| format!(" {}", quoted(&format!("{name}={value}")))).collect::<String>(),
                as_from(restore, from), command_as(command_from));
        /// Puts the configuration that was kept under `key` back.
        "process.restore" ProcessRestore { service: String, key: String }
            Act(Reversible), acted(), format!("kill -TERM <pid of {service}> && <command of {service}> # with the configuration kept as {key}");
        /// Brings a service to this many processes.
        "process.scale" ProcessScale { service: String, replicas: i64 }
            Act(Reversible), acted(), format!("<{replicas} processes of {service}>");
        /// Runs any command in the service's working folder and environment.
        "process.exec" ProcessExec { service: String, argv: Vec<String>, timeout: TimeSpan }
            Act(Destructive), ran(), words(argv);
        /// Deletes what is below a declared path: on one file system, following no link.
        "process.clear_path" ProcessClearPath { service: String, path: String, older_than: Option<TimeSpan> }
            Act(Destructive), acted(),
            format!("find {} -xdev -mindepth 1{} -delete", quoted(path),
                older_than.map_or_else(String::new, |age| format!(" -mmin +{}", age.as_secs() / 60)));
        /// Truncates the service's log after its tail is kept in the restore store.
        "process.rotate_logs" ProcessRotateLogs { service: String }
            Act(Destructive), acted(), format!("truncate --size 0 <log of {service}>");
        /// Changes the owner of a declared path.
        "process.set_ownership" ProcessSetOwnership { service: String, path: String, owner: String }
            Act(Reversible), acted(), format!("chown {} {}", quoted(owner), quoted(path));
        /// Changes a setting of a Redis or PostgreSQL server while it runs.
        "process.set_parameter" ProcessSetParameter { service: String, engine: String, name: String, value: String }
            Act(Reversible), acted(),
            if engine == "redis" { format!("redis-cli CONFIG SET {} {}", quoted(name), quoted(value)) }
            else { altered(name, value) };
        /// Ends a session of a Redis or PostgreSQL server.
        "process.terminate_session" ProcessTerminateSession { service: String, engine: String, session: String }
            Act(Destructive), acted(),
            if engine == "redis" { format!("redis-cli CLIENT KILL ID {}", quoted(session)) }
            else { format!("psql -c {}", quoted(&format!("SELECT pg_terminate_backend({session})"))) };

        /// Silences alerts for a while.
        "alertmanager.silence" AlertmanagerSilence { matchers: Vec<String>, duration: TimeSpan, comment: String }
            Act(Reversible), acted(),
            format!("amtool silence add --duration {duration} --comment {} {}", quoted(comment), words(matchers));
        /// Ends the silence that `alertmanager.silence` made with this comment.
        "alertmanager.unsilence" AlertmanagerUnsilence { comment: String }
            Act(Reversible), acted(), format!("amtool silence expire # {}", quoted(comment));
        /// Sends a message to a configured channel; changes nothing in any environment.
        "notify.send" NotifySend { channel: String, title: String, body: String }
            Act(ReadOnly), acted(), format!("notify {} {}", quoted(channel), quoted(title));
    }
}

impl ActCall {
    /// The call's intrinsic risk; an operation cannot declare a lower one.
    pub fn risk(&self) -> Risk {
        match Self::spec(self.name()).map(|spec| spec.effect) {
            Some(Act(risk)) => risk,
            // Every variant is declared with `Act`; anything else would be the most dangerous.
            _ => Destructive,
        }
    }
}

impl ActCall {
    /// How long it may wait on purpose, after it was taken up: for a program to stop, or to end.
    pub fn patience(&self) -> TimeSpan {
        match self {
            Self::ContainerRestart { stop_timeout, .. }
            | Self::ContainerStop { stop_timeout, .. }
            | Self::ProcessRestart { stop_timeout, .. }
            | Self::ProcessStop { stop_timeout, .. } => *stop_timeout,
            Self::ContainerExec { timeout, .. } | Self::ProcessExec { timeout, .. } => *timeout,
            // They stop something with a grace period of its own.
            Self::ContainerRecreate { .. }
            | Self::ContainerRestore { .. }
            | Self::ContainerScale { .. }
            | Self::ProcessRecreate { .. }
            | Self::ProcessRestore { .. }
            | Self::ProcessScale { .. } => TimeSpan::from_secs(30),
            _ => TimeSpan::from_secs(0),
        }
    }
}

/// ` --env NAME=value` of what is given, ` --env NAME` of what is taken from elsewhere.
fn variables(set: &BTreeMap<String, String>, restore: &[String]) -> String {
    let set = set.iter().map(|(name, value)| format!(" --env {}", quoted(&format!("{name}={value}"))));
    set.chain(restore.iter().map(|name| format!(" --env {}", quoted(name)))).collect()
}

/// PostgreSQL takes a setting when it is told to read its files again.
fn altered(name: &str, value: &str) -> String {
    let statement = format!("ALTER SYSTEM SET {name} = '{}'", value.replace('\'', "''"));
    format!("psql -c {} -c 'SELECT pg_reload_conf()'", quoted(&statement))
}

fn as_from(restore: &[String], from: &Option<String>) -> String {
    let from = from.as_deref().unwrap_or("last_good").replace('_', " ");
    if restore.is_empty() { String::new() } else { format!(", {} as {from}", restore.join(" ")) }
}

fn without(remove: &[String]) -> String {
    if remove.is_empty() { String::new() } else { format!(", without {}", remove.join(" ")) }
}

fn command_as(from: &Option<String>) -> String {
    from.as_ref().map_or_else(String::new, |from| format!(", its command as {}", from.replace('_', " ")))
}

fn restart_policy(policy: &str, retries: i64) -> String {
    if policy == "on-failure" && retries > 0 { format!("on-failure:{retries}") } else { policy.to_owned() }
}
