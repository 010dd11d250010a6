//! What a person would type for a call: with the pids, files and argv as they are now. Variables of a service's
//! environment are named, never shown with their values.

use super::{
    ProcessConfig, ProcessEnvironment,
    act::service_of,
    command::client_line,
    logs::log_files,
    service::{Managed, blocking},
    snapshot::Snapshot,
};
use crate::{
    domain::{ActCall, ReadCall, shell_word, shell_words},
    execute::{
        NativeCall,
        data_store::{DataStore, shown},
    },
    shim::Launch,
};
use std::{collections::BTreeMap, io, path::Path};

/// Variables that a command names; more would bury what it runs.
const MAX_VARIABLES: usize = 12;

impl ProcessEnvironment {
    pub(super) async fn typed(&self, call: NativeCall<'_>) -> Option<String> {
        let (name, service) = match call {
            NativeCall::Read(ReadCall::ProcessList {}) => return Some(states(&self.inner.config)),
            NativeCall::Read(call) => (call.name(), looked_at(call)?),
            NativeCall::Act(call) => (call.name(), service_of(call)?),
        };
        let now = blocking(name, self.managed(name, service).ok()?, Now::of).await.ok()?;
        match call {
            NativeCall::Read(call) => self.reading(call, &now),
            NativeCall::Act(call) => acting(call, &now),
        }
    }

    fn reading(&self, call: &ReadCall, now: &Now) -> Option<String> {
        Some(match call {
            ReadCall::ProcessStatus { .. } if now.pids.is_empty() => format!("cat {}", now.states),
            ReadCall::ProcessStatus { .. } => {
                format!("cat {}; ps -o pid,stat,lstart,rss,args -p {}", now.states, comma(&now.pids))
            }
            ReadCall::ProcessLogs { tail, pattern, .. } => {
                let tail = tail.map_or_else(String::new, |tail| format!(" -n {tail}"));
                let filter =
                    pattern.as_ref().map_or_else(String::new, |text| format!(" | grep -E {}", shell_word(text)));
                format!("tail{tail} {}{filter}", now.logs)
            }
            ReadCall::ProcessEvents { .. } => format!("cat {}", now.events),
            ReadCall::ProcessResources { .. } if now.members.is_empty() => "free -b".into(),
            ReadCall::ProcessResources { .. } => format!("ps -o pid,pcpu,rss,nlwp,args -p {}", comma(&now.members)),
            ReadCall::ProcessProcesses { .. } if now.members.is_empty() => format!("cat {}", now.states),
            ReadCall::ProcessProcesses { .. } => format!("ps -o pid,ppid,stat,wchan,args -p {}", comma(&now.members)),
            ReadCall::ProcessHealth { endpoint: None, .. } if !now.pids.is_empty() => {
                format!("ps -p {}", comma(&now.pids))
            }
            ReadCall::ProcessHealth { endpoint: None, .. } => format!("cat {}", now.states),
            ReadCall::ProcessConnectivity { to, port, .. } => self.reach(to, *port)?,
            ReadCall::ProcessDisk { .. } => format!("df -P {}", now.folder),
            ReadCall::ProcessConfig { .. } => format!("cat {}", now.launch_file),
            ReadCall::ProcessDependencies { .. } if now.needs.is_empty() => {
                format!("cat {} # it declares nothing that it needs", now.launch_file)
            }
            ReadCall::ProcessDependencies { .. } => {
                let reach = now.needs.iter().filter_map(|need| self.reach(need, None));
                let all: Vec<String> = reach.collect();
                if all.is_empty() { return None } else { all.join("; ") }
            }
            ReadCall::ProcessImage { .. } => format!("stat \"$(command -v {})\"", now.program()),
            ReadCall::ProcessQuery { argv, .. } => now.inside(&shell_words(argv)),
            ReadCall::ProcessParameter { engine, name, .. } => now.asks(engine, |store| store.read_parameter(name))?,
            ReadCall::ProcessSessions { engine, .. } => now.asks(engine, |store| Ok(store.look_at_sessions()))?,
            _ => return None,
        })
    }

    fn reach(&self, service: &str, port: Option<i64>) -> Option<String> {
        let address = self.inner.services.get(service)?.address()?;
        let (host, own) = address.rsplit_once(':')?;
        let port = port.map_or_else(|| own.to_owned(), |port| port.to_string());
        Some(format!("nc -z {} {port}", shell_word(host)))
    }
}

fn states(config: &ProcessConfig) -> String {
    let services = config.services.iter().filter(|(_, declared)| !declared.argv.is_empty());
    let files = services.map(|(name, _)| file(&config.state.join(name).join("1/state.json")));
    format!("cat {}", files.collect::<Vec<_>>().join(" "))
}

/// The service that a reading call of this family names.
fn looked_at(call: &ReadCall) -> Option<&str> {
    match call {
        ReadCall::ProcessConnectivity { from, .. } => Some(from),
        ReadCall::ProcessStatus { service }
        | ReadCall::ProcessLogs { service, .. }
        | ReadCall::ProcessEvents { service, .. }
        | ReadCall::ProcessResources { service }
        | ReadCall::ProcessHealth { service, .. }
        | ReadCall::ProcessProcesses { service }
        | ReadCall::ProcessDisk { service }
        | ReadCall::ProcessConfig { service }
        | ReadCall::ProcessDependencies { service }
        | ReadCall::ProcessImage { service }
        | ReadCall::ProcessParameter { service, .. }
        | ReadCall::ProcessSessions { service, .. }
        | ReadCall::ProcessQuery { service, .. } => Some(service),
        _ => None,
    }
}

fn acting(call: &ActCall, now: &Now) -> Option<String> {
    let none = BTreeMap::new();
    let as_it_is = Changed { remove: &[], restore: &[], set: &none, from: "" };
    Some(match call {
        ActCall::ProcessRestart { force, .. } => now.anew(*force, &now.start(&now.launch, &as_it_is)),
        ActCall::ProcessStart { .. } => now.start(&now.launch, &as_it_is),
        ActCall::ProcessStop { .. } => {
            let policy = &now.launch.restart;
            let kept = match policy.as_str() {
                "no" | "" => String::new(),
                _ => format!(" # and keeps it from being restarted, though its policy is {policy}"),
            };
            format!("{}{kept}", now.signal("TERM", &now.pids))
        }
        ActCall::ProcessPause { .. } => now.signal("STOP", &now.members),
        ActCall::ProcessUnpause { .. } => now.signal("CONT", &now.members),
        ActCall::ProcessUpdate { memory: Some(memory), .. } => {
            let limit = if *memory == 0 { "null".to_owned() } else { memory.to_string() };
            now.edit(&[("memory", limit)])
        }
        ActCall::ProcessSetRestartPolicy { policy, retries, .. } => {
            now.edit(&[("restart", format!("\"{policy}\"")), ("retries", retries.max(&0).to_string())])
        }
        ActCall::ProcessRecreate { image, command_from, restore, set, remove, from, .. } => {
            let from = from.as_deref().unwrap_or("last_good");
            let mut launch = now.launch.clone();
            if let (Some(program), Some(first)) = (image, launch.argv.first_mut()) {
                first.clone_from(program);
            }
            if let Some(source) = command_from {
                launch.argv =
                    if source == "declared" { now.declared.clone() } else { vec![format!("<command as {source}>")] };
            }
            now.anew(false, &now.start(&launch, &Changed { remove, restore, set, from }))
        }
        // Which process that will be is known only when there is something to take back.
        ActCall::ProcessRestore { .. } => {
            let pids = format!("$(jq .program.pid {})", now.states);
            format!("kill -TERM {pids} && {}", now.start(&now.launch, &as_it_is))
        }
        ActCall::ProcessScale { replicas, .. } => now.scale(usize::try_from(*replicas).ok()?, &as_it_is),
        ActCall::ProcessExec { argv, .. } => now.inside(&shell_words(argv)),
        ActCall::ProcessSetParameter { engine, name, value, .. } => {
            now.asks(engine, |store| store.set_parameter(name, value))?
        }
        ActCall::ProcessTerminateSession { engine, session, .. } => {
            now.asks(engine, |store| store.terminate_session(session))?
        }
        ActCall::ProcessRotateLogs { .. } => format!("truncate --size 0 {}", now.logs),
        _ => return None,
    })
}

/// How a start differs from the present configuration.
struct Changed<'a> {
    remove: &'a [String],
    restore: &'a [String],
    set: &'a BTreeMap<String, String>,
    from: &'a str,
}

/// A service as a person would find it.
struct Now {
    launch: Launch,
    address: Option<String>,
    declared: Vec<String>,
    needs: Vec<String>,
    /// Main processes, an instance each.
    pids: Vec<i32>,
    /// All processes.
    members: Vec<i32>,
    shims: Vec<i32>,
    paused: bool,
    /// Files, ready for a shell.
    states: String,
    events: String,
    logs: String,
    launch_file: String,
    folder: String,
}

impl Now {
    fn of(managed: &Managed) -> io::Result<Self> {
        let instances = Snapshot::all(managed)?;
        let files = |name: &str| {
            let each = instances.iter().map(|instance| file(&instance.folder.path().join(name)));
            each.collect::<Vec<_>>().join(" ")
        };
        let launch = managed.launch()?;
        let folder = std::path::absolute(launch.working_dir.as_deref().unwrap_or(Path::new(".")))?;
        let alive = instances.iter().filter(|instance| instance.shim_alive);
        Ok(Self {
            address: managed.address(),
            declared: managed.declared.argv.clone(),
            needs: managed.declared.depends_on.clone(),
            pids: instances.iter().filter_map(|instance| Some(instance.main.as_ref()?.pid)).collect(),
            members: instances.iter().flat_map(|one| one.processes()).map(|stat| stat.pid).collect(),
            shims: alive.filter_map(|instance| Some(instance.state.shim.as_ref()?.pid)).collect(),
            paused: instances.iter().any(Snapshot::paused),
            states: files("state.json"),
            events: files("events.jsonl"),
            logs: log_files(managed)?.iter().map(|(_, log)| file(log)).collect::<Vec<_>>().join(" "),
            launch_file: file(&managed.folder.path().join("launch.json")),
            folder: file(&folder),
            launch,
        })
    }

    fn program(&self) -> String {
        shell_word(self.launch.argv.first().map_or("", String::as_str))
    }

    fn signal(&self, signal: &str, pids: &[i32]) -> String {
        if pids.is_empty() {
            return format!("cat {} # nothing runs", self.states);
        }
        let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
        format!("kill -{signal} {}", pids.join(" "))
    }

    /// Ends what runs, if anything does, and then starts it.
    fn anew(&self, force: bool, start: &str) -> String {
        match (self.pids.is_empty(), force, self.paused) {
            (true, ..) => start.to_owned(),
            (_, true, _) => format!("{} && {start}", self.signal("KILL", &self.members)),
            (_, _, true) => {
                let (end, wake) = (self.signal("TERM", &self.pids), self.signal("CONT", &self.pids));
                format!("{end} && {wake} && {start}")
            }
            _ => format!("{} && {start}", self.signal("TERM", &self.pids)),
        }
    }

    /// As the shim starts it: in its folder, with its variables, into its log.
    fn start(&self, launch: &Launch, changed: &Changed<'_>) -> String {
        let gone = changed.remove.iter().map(|name| format!("-u {}", shell_word(name)));
        let set = changed.set.iter().map(|(name, value)| shell_word(&format!("{name}={value}")));
        let variables: Vec<String> = gone.chain(set).collect();
        let with = if variables.is_empty() { String::new() } else { format!("env {} ", variables.join(" ")) };
        let log = self.logs.split(' ').next().unwrap_or_default();
        format!("(cd {} && {with}{} >>{log} 2>&1 &){}", self.folder, shell_words(&launch.argv), named(launch, changed))
    }

    /// In its folder.
    fn inside(&self, command: &str) -> String {
        format!("(cd {} && {command})", self.folder)
    }

    /// A data store's own client; none where the call is one that would be refused.
    fn asks(&self, engine: &str, argv: impl Fn(DataStore) -> Result<Vec<String>, String>) -> Option<String> {
        let store: DataStore = engine.parse().ok()?;
        let (argv, environment) = client_line(self.address.as_deref(), &self.launch, store, &argv(store).ok()?);
        let (open, secret) = shown(&environment);
        let with = if secret.is_empty() { String::new() } else { format!(" # with {} as it has it", secret.join(" ")) };
        Some(format!("{}{}{with}", open.iter().map(|one| format!("{one} ")).collect::<String>(), shell_words(&argv)))
    }

    fn scale(&self, replicas: usize, as_it_is: &Changed<'_>) -> String {
        let running = self.pids.len();
        if replicas < running {
            return self.signal("TERM", &self.pids[replicas..]);
        }
        let starts: Vec<String> = (running..replicas).map(|_| self.start(&self.launch, as_it_is)).collect();
        if starts.is_empty() { format!("cat {} # {running} run", self.states) } else { starts.join(" && ") }
    }

    /// Changes the effective configuration, which the shims read again when they are told.
    fn edit(&self, fields: &[(&str, String)]) -> String {
        let edits = fields.iter().map(|(name, value)| format!(" -e 's/\"{name}\": [^,]*/\"{name}\": {value}/'"));
        let tell =
            if self.shims.is_empty() { String::new() } else { format!(" && {}", self.signal("HUP", &self.shims)) };
        format!("sed -i{} {}{tell}", edits.collect::<String>(), self.launch_file)
    }
}

/// The variables that a start takes along, as a remark.
fn named(launch: &Launch, changed: &Changed<'_>) -> String {
    let others = launch.environment.keys().filter(|name| {
        !changed.remove.contains(name) && !changed.set.contains_key(*name) && !changed.restore.contains(name)
    });
    let (count, from) = (others.clone().count(), changed.from.replace('_', " "));
    let mut named: Vec<String> = changed.restore.iter().map(|name| format!("{name} as {from}")).collect();
    if count > 0 {
        let mut kept: Vec<&str> = others.take(MAX_VARIABLES).map(String::as_str).collect();
        if count > MAX_VARIABLES {
            kept.push("…");
        }
        named.push(format!("{} as before", kept.join(" ")));
    }
    if named.is_empty() { String::new() } else { format!(" # with {}", named.join(", ")) }
}

fn comma(pids: &[i32]) -> String {
    pids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// A path for a shell.
fn file(path: &Path) -> String {
    shell_word(&path.to_string_lossy())
}
