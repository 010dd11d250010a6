//! Commands beside a service: `process.query`, `process.exec`, and the clients of data stores.

use super::{
    ProcessEnvironment,
    events::values,
    service::{Managed, blocking},
};
use crate::{
    domain::{TimeSpan, Values, clean_text},
    execute::{
        ExecuteError,
        allow::allowed,
        data_store::{DataStore, READ_BACK_PAUSE, READ_BACKS, taken},
    },
    shim::{Launch, control::base_environment},
};
use serde_json::json;
use std::{path::Path, process::Stdio, sync::Arc};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::Command,
    time::timeout,
};

/// Bytes kept of each stream of a command; the rest is read and dropped.
const MOST_OUTPUT: usize = 32 << 10;

/// How long a client of a data store may take.
const CLIENT: TimeSpan = TimeSpan::from_secs(10);

/// What a command said.
struct Output {
    exit_code: Option<i32>,
    stdout: String,
    stderr: String,
    truncated: bool,
    timed_out: bool,
}

impl ProcessEnvironment {
    pub(super) async fn query(
        &self,
        call: &str,
        managed: &Arc<Managed>,
        argv: &[String],
        limit: TimeSpan,
    ) -> Result<Values, ExecuteError> {
        if !allowed(argv, &self.inner.config.read_only_commands) {
            let problem = "the command is not on the environment's list of read-only commands (read_only_commands)";
            return Err(ExecuteError::permanent(call, problem));
        }
        let output = run(call, managed, argv, &[], limit).await?;
        Ok(values(json!({
            "exit_code": output.exit_code.unwrap_or(-1),
            "stdout": output.stdout,
            "stderr": output.stderr,
            "truncated": output.truncated,
            "timed_out": output.timed_out,
        })))
    }
}

pub(super) async fn exec(
    call: &str,
    managed: &Arc<Managed>,
    argv: &[String],
    limit: TimeSpan,
) -> Result<Values, ExecuteError> {
    let output = run(call, managed, argv, &[], limit).await?;
    if output.timed_out {
        return Err(ExecuteError::unknown(call, format!("the command did not end within {limit} and was killed")));
    }
    let said = if output.stderr.trim().is_empty() { &output.stdout } else { &output.stderr };
    let code = output.exit_code.unwrap_or(-1);
    let mut did = super::act::acted(true, format!("exit code {code}: {}", clean_text(said.trim(), 500)));
    did.insert("exit_code".into(), json!(code));
    Ok(did)
}

pub(super) async fn parameter(
    call: &str,
    managed: &Arc<Managed>,
    engine: &str,
    name: &str,
) -> Result<Values, ExecuteError> {
    let wrong = |problem: String| ExecuteError::permanent(call, problem);
    let store: DataStore = engine.parse().map_err(wrong)?;
    let output = client(call, managed, store, &store.read_parameter(name).map_err(wrong)?).await?;
    store.parameter(name, &output).map_err(wrong)
}

pub(super) async fn sessions(call: &str, managed: &Arc<Managed>, engine: &str) -> Result<Values, ExecuteError> {
    let wrong = |problem: String| ExecuteError::permanent(call, problem);
    let store: DataStore = engine.parse().map_err(wrong)?;
    let mut outputs = Vec::new();
    for argv in store.list_sessions() {
        outputs.push(client(call, managed, store, &argv).await?);
    }
    store.sessions(&outputs).map_err(wrong)
}

pub(super) async fn set_parameter(
    call: &str,
    managed: &Arc<Managed>,
    engine: &str,
    name: &str,
    value: &str,
) -> Result<Values, ExecuteError> {
    let wrong = |problem: String| ExecuteError::permanent(call, problem);
    let store: DataStore = engine.parse().map_err(wrong)?;
    let set = store.set_parameter(name, value).map_err(wrong)?;
    let before = parameter(call, managed, engine, name).await?;
    let output = client(call, managed, store, &set).await?;
    store.changed(&output).map_err(wrong)?;
    let mut now = (false, String::new());
    for _ in 0..=READ_BACKS {
        let after = parameter(call, managed, engine, name).await.map_err(|error| error.after_others(true))?;
        now = taken(name, value, &before, &after);
        if now.0 {
            break;
        }
        tokio::time::sleep(READ_BACK_PAUSE).await;
    }
    Ok(super::act::acted(now.0, now.1))
}

pub(super) async fn terminate_session(
    call: &str,
    managed: &Arc<Managed>,
    engine: &str,
    session: &str,
) -> Result<Values, ExecuteError> {
    let wrong = |problem: String| ExecuteError::permanent(call, problem);
    let store: DataStore = engine.parse().map_err(wrong)?;
    let output = client(call, managed, store, &store.terminate_session(session).map_err(wrong)?).await?;
    let ended = store.changed(&output).map_err(wrong)?;
    let detail = if ended { "the session was ended" } else { "there is no such session any more" };
    Ok(super::act::acted(ended, detail.to_owned()))
}

/// Runs a data store's own client against the service's address, and returns what it printed.
async fn client(call: &str, managed: &Arc<Managed>, store: DataStore, argv: &[String]) -> Result<String, ExecuteError> {
    let launch = blocking(call, managed, |managed| managed.launch()).await?;
    let (argv, extra) = client_line(managed.address().as_deref(), &launch, store, argv);
    let output = run(call, managed, &argv, &extra, CLIENT).await?;
    match output.exit_code {
        Some(0) => Ok(output.stdout),
        _ if output.timed_out => Err(ExecuteError::unknown(call, format!("{} did not end in time", argv[0]))),
        _ => {
            let said = if output.stderr.trim().is_empty() { output.stdout } else { output.stderr };
            Err(ExecuteError::permanent(call, format!("{}: {}", argv[0], clean_text(said.trim(), 300))))
        }
    }
}

/// The command line of a data store's client that reaches the service's address, and the variables that it needs.
pub(super) fn client_line(
    address: Option<&str>,
    launch: &Launch,
    store: DataStore,
    argv: &[String],
) -> (Vec<String>, Vec<(String, String)>) {
    let (mut argv, mut extra) = (argv.to_vec(), store.client_environment(&launch.environment));
    if let Some((host, port)) = address.and_then(|address| address.rsplit_once(':')) {
        match store {
            DataStore::Redis => drop(argv.splice(1..1, ["-h", host, "-p", port].map(str::to_owned))),
            DataStore::Postgresql => {
                extra.push(("PGHOST".into(), host.into()));
                extra.push(("PGPORT".into(), port.into()));
            }
        }
    }
    (argv, extra)
}

/// Runs a command in the service's folder and environment, in a process group of its own, and kills that at the limit.
async fn run(
    call: &str,
    managed: &Arc<Managed>,
    argv: &[String],
    extra: &[(String, String)],
    limit: TimeSpan,
) -> Result<Output, ExecuteError> {
    let launch: Launch = blocking(call, managed, |managed| managed.launch()).await?;
    let Some((program, arguments)) = argv.split_first() else {
        return Err(ExecuteError::permanent(call, "there is no command"));
    };
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .envs(base_environment())
        .envs(&launch.environment)
        .envs(extra.iter().map(|(name, value)| (name, value)))
        .current_dir(launch.working_dir.as_deref().unwrap_or(Path::new(".")))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| ExecuteError::permanent(call, format!("'{program}': {error}")))?;
    let group = child.id().and_then(|pid| rustix::process::Pid::from_raw(pid as i32));
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let work = async { tokio::join!(head(stdout), head(stderr), child.wait()) };
    let ended = timeout(limit.as_std(), work).await;
    if let Some(group) = group {
        // What it left in the background goes too; it is gone already if it left nothing.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    Ok(match ended {
        Ok(((stdout, cut_out), (stderr, cut_err), status)) => Output {
            exit_code: status.ok().and_then(|status| status.code()),
            stdout,
            stderr,
            truncated: cut_out || cut_err,
            timed_out: false,
        },
        Err(_) => {
            Output { exit_code: None, stdout: String::new(), stderr: String::new(), truncated: true, timed_out: true }
        }
    })
}

/// The beginning of a stream; the rest is read, so that the command does not block, and dropped.
async fn head(stream: Option<impl AsyncRead + Unpin>) -> (String, bool) {
    let Some(mut stream) = stream else { return (String::new(), false) };
    let mut kept = Vec::new();
    let mut cut = false;
    let mut buffer = vec![0; 16 << 10];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        let room = MOST_OUTPUT.saturating_sub(kept.len()).min(read);
        kept.extend_from_slice(&buffer[..room]);
        cut |= room < read;
    }
    (clean_text(&String::from_utf8_lossy(&kept), MOST_OUTPUT), cut)
}
