//! Running a program inside a container, with bounded output and time.

use super::{
    DockerEnvironment, cgroup,
    connect::DEADLINE,
    error::{Answer, EngineError, within},
    inspect::Container,
    observed::{only, present},
};
use crate::domain::{TimeSpan, Values, clean_text};
use crate::execute::allow::allowed;
use bollard::{
    container::LogOutput,
    exec::{CreateExecOptions, StartExecResults},
};
use futures_util::StreamExt as _;
use serde_json::json;
use std::{path::Path, time::Duration};

/// Bytes kept of each of the two streams.
const KEPT: usize = 64 << 10;

/// Bytes read before a program that floods us is left alone.
const READ: usize = 8 << 20;

/// What a program did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Output {
    /// None if it was not over in time.
    pub exit_code: Option<i64>,
    pub stdout: String,
    pub stderr: String,
    pub truncated: bool,
    pub timed_out: bool,
}

impl Output {
    /// The result of `container.query`.
    fn result(&self) -> Values {
        Values::from_iter([
            ("exit_code".to_owned(), json!(self.exit_code.unwrap_or(-1))),
            ("stdout".to_owned(), json!(clean_text(&self.stdout, KEPT))),
            ("stderr".to_owned(), json!(clean_text(&self.stderr, KEPT))),
            ("truncated".to_owned(), json!(self.truncated)),
            ("timed_out".to_owned(), json!(self.timed_out)),
        ])
    }

    /// Its output, if it ended well.
    pub fn success(self, what: &str) -> Answer<String> {
        match self.exit_code {
            Some(0) => Ok(self.stdout),
            Some(126 | 127) => Err(EngineError::declined(format!("{what}: the container has no such program"))),
            Some(code) => {
                let said = if self.stderr.trim().is_empty() { &self.stdout } else { &self.stderr };
                Err(EngineError::declined(format!("{what} ended with {code}: {}", clean_text(said.trim(), 500))))
            }
            None => Err(EngineError::Broken(format!("{what} was not over in time"))),
        }
    }
}

/// What to run.
#[derive(Clone, Debug, Default)]
pub(super) struct Program {
    pub argv: Vec<String>,
    pub environment: Vec<(String, String)>,
    /// The container's own, if none.
    pub user: Option<String>,
    pub timeout: Duration,
}

impl DockerEnvironment {
    /// The container of an id or name.
    pub(super) async fn container(&self, id: &str) -> Answer<Container> {
        only(present(self.shared.engine.inspect(id).await)?, id)
    }

    /// The result of `container.query`: the allow-list is checked again here, where the program would run.
    pub(super) async fn query(&self, id: &str, argv: &[String], timeout: TimeSpan) -> Answer<Values> {
        if !allowed(argv, &self.shared.config.read_only_commands) {
            return Err(EngineError::declined(format!(
                "'{}' is not among the environment's read_only_commands; it can be run only as a change",
                clean_text(&argv.join(" "), 200)
            )));
        }
        let container = self.container(id).await?;
        let program = Program { argv: argv.to_vec(), timeout: timeout.as_std(), ..Program::default() };
        Ok(self.run(&container, &program).await?.result())
    }

    /// Runs a program to its end, or for as long as it may.
    pub(super) async fn run(&self, container: &Container, program: &Program) -> Answer<Output> {
        let docker = self.shared.engine.docker()?;
        let environment = program.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let options = CreateExecOptions::<String> {
            cmd: Some(program.argv.clone()),
            env: Some(environment),
            user: program.user.clone(),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            ..CreateExecOptions::default()
        };
        let exec = within(DEADLINE, docker.create_exec(container.id(), options)).await?.id;
        let started = within(DEADLINE, docker.start_exec(&exec, None)).await?;
        let StartExecResults::Attached { mut output, .. } = started else {
            return Err(EngineError::Broken("the program was started without its output".into()));
        };
        let mut taken = Taken::default();
        let reading = async {
            while let Some(piece) = output.next().await {
                if !taken.add(piece?) {
                    break;
                }
            }
            Ok::<_, EngineError>(())
        };
        let timed_out = match tokio::time::timeout(program.timeout, reading).await {
            Ok(Err(error)) => return Err(error),
            Ok(Ok(())) => false,
            Err(_) => true,
        };
        let flooded = taken.read >= READ;
        let exit_code =
            if timed_out || flooded { self.abandon(container, &exec).await } else { self.exit_code(&exec).await? };
        Ok(Output {
            exit_code,
            stdout: String::from_utf8_lossy(&taken.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&taken.stderr).into_owned(),
            truncated: taken.truncated,
            timed_out,
        })
    }

    async fn exit_code(&self, exec: &str) -> Answer<Option<i64>> {
        let docker = self.shared.engine.docker()?;
        // The streams may close a moment before the end is known: seconds, where the engine has much to do.
        for _ in 0..100 {
            let state = within(DEADLINE, docker.inspect_exec(exec)).await?;
            if state.running != Some(true) {
                return Ok(state.exit_code);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(None)
    }

    /// The engine cannot end a program that it runs inside; where it is on this machine, we can.
    async fn abandon(&self, container: &Container, exec: &str) -> Option<i64> {
        let docker = self.shared.engine.docker().ok()?;
        let state = within(DEADLINE, docker.inspect_exec(exec)).await.ok()?;
        let pid = state.pid.and_then(|pid| i32::try_from(pid).ok()).filter(|pid| *pid > 1)?;
        if self.shared.engine.local
            && state.running == Some(true)
            && cgroup::belongs(Path::new("/proc"), pid, container.id())
        {
            let process = rustix::process::Pid::from_raw(pid)?;
            let _ = rustix::process::kill_process(process, rustix::process::Signal::KILL); // it may be over by now
        }
        None
    }

    /// `container.exec`.
    pub(super) async fn exec(&self, id: &str, argv: &[String], timeout: TimeSpan) -> Answer<(i64, String)> {
        if argv.is_empty() {
            return Err(EngineError::declined("there is no program to run; give its name and arguments"));
        }
        let container = self.container(id).await?;
        let program = Program { argv: argv.to_vec(), timeout: timeout.as_std(), ..Program::default() };
        let output = self.run(&container, &program).await?;
        match output.exit_code {
            None => Err(EngineError::Broken(format!("the program was not over within {timeout}"))),
            Some(code) => Ok((
                code,
                format!(
                    "ended with {code}{}",
                    [output.stdout, output.stderr]
                        .iter()
                        .map(|text| text.trim())
                        .filter(|text| !text.is_empty())
                        .fold(String::new(), |all, text| format!("{all}: {}", clean_text(text, 2_000)))
                ),
            )),
        }
    }
}

/// What was taken of the output so far.
#[derive(Default)]
struct Taken {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    read: usize,
    truncated: bool,
}

impl Taken {
    /// False when enough was read.
    fn add(&mut self, piece: LogOutput) -> bool {
        let kept = match &piece {
            LogOutput::StdErr { .. } => &mut self.stderr,
            _ => &mut self.stdout,
        };
        let bytes = piece.as_ref();
        let room = KEPT.saturating_sub(kept.len()).min(bytes.len());
        kept.extend_from_slice(&bytes[..room]);
        self.truncated |= room < bytes.len();
        self.read += bytes.len();
        self.read < READ
    }
}
