//! Starting the program, and what its end means.

use super::{InstanceFolder, Launch, MARKER, StartError};
use crate::domain::ExitReason;
use std::{fs::OpenOptions, io, os::unix::process::ExitStatusExt, path::Path, process::ExitStatus, time::Duration};
use tokio::process::{Child, Command};

/// A shell that does not find its command ends at once with 126 or 127; later, these are codes like any other.
const AT_ONCE: Duration = Duration::from_secs(2);

/// Signals that a failing program gets for, or sends to, itself; any other fatal one came from outside.
/// ILL, TRAP, ABRT, BUS, FPE, SEGV, PIPE, XCPU, XFSZ, SYS.
const OWN_SIGNALS: [i32; 10] = [4, 5, 6, 7, 8, 11, 13, 24, 25, 31];

/// Why there is no program now.
#[derive(Debug)]
pub(super) struct StartFailure {
    pub(super) error: StartError,
    pub(super) exit_code: i32,
    pub(super) problem: String,
}

/// Starts the program in a process group of its own, writing into the instance's pipes.
pub(super) fn spawn(launch: &Launch, folder: &InstanceFolder) -> Result<Child, StartFailure> {
    let Some((program, arguments)) = launch.argv.split_first() else {
        return Err(failure(StartError::Other, "its argv is empty; declare a program".into()));
    };
    let working_dir = launch.working_dir.as_deref().unwrap_or(Path::new("."));
    if !working_dir.is_dir() {
        let problem = format!("the working folder {} does not exist", working_dir.display());
        return Err(failure(StartError::Other, problem));
    }
    let pipe = |stream| OpenOptions::new().read(true).write(true).open(folder.pipe(stream));
    let (stdout, stderr) = match (pipe("stdout"), pipe("stderr")) {
        (Ok(stdout), Ok(stderr)) => (stdout, stderr),
        (Err(error), _) | (_, Err(error)) => return Err(failure(StartError::Other, format!("its log pipe: {error}"))),
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(working_dir)
        .envs(&launch.environment)
        .env(MARKER, folder.path())
        .env("ONCALLD_INSTANCE", folder.path().file_name().unwrap_or_default())
        .stdin(std::process::Stdio::null())
        .stdout(stdout)
        .stderr(stderr)
        .process_group(0);
    command.spawn().map_err(|error| start_failure(program, &error))
}

fn start_failure(program: &str, error: &io::Error) -> StartFailure {
    match error.kind() {
        io::ErrorKind::NotFound => {
            failure(StartError::CommandNotFound, format!("'{program}': executable file not found in $PATH"))
        }
        io::ErrorKind::PermissionDenied => {
            failure(StartError::NotExecutable, format!("'{program}': permission denied"))
        }
        _ if error.raw_os_error() == Some(8) => {
            failure(StartError::NotExecutable, format!("'{program}': exec format error"))
        }
        _ => failure(StartError::Other, format!("'{program}': {error}")),
    }
}

fn failure(error: StartError, problem: String) -> StartFailure {
    let exit_code = match error {
        StartError::CommandNotFound => 127,
        StartError::NotExecutable => 126,
        _ => 128,
    };
    StartFailure { error, exit_code, problem }
}

/// What the shim was doing to a program when it ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Circumstances {
    /// It was being stopped.
    pub(super) stopping: bool,
    /// A stop sent it SIGKILL.
    pub(super) killed: bool,
    /// It got that because its grace period was over.
    pub(super) out_of_grace: bool,
    /// It was killed for its memory.
    pub(super) oom: bool,
    /// How long it had been running.
    pub(super) uptime: Duration,
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    pub(super) code: Option<i32>,
    pub(super) signal: Option<i32>,
    pub(super) reason: ExitReason,
    pub(super) error_kind: StartError,
    pub(super) error: String,
}

/// What an exit status means; `None` is that of a program whose end nobody saw.
pub(super) fn ending(status: Option<ExitStatus>, during: Circumstances) -> Ending {
    let signal = status.and_then(|status| status.signal());
    let code = status.and_then(|status| status.code()).or(signal.map(|signal| 128 + signal));
    let mut ending =
        Ending { code, signal, reason: ExitReason::Error, error_kind: StartError::None, error: String::new() };
    ending.reason = match (code, signal) {
        _ if during.oom => ExitReason::Oom,
        _ if during.out_of_grace => ExitReason::StopTimeout,
        _ if during.stopping => ExitReason::Stopped,
        (None, _) => {
            ending.error = "nobody saw it end: its shim had been killed".into();
            ExitReason::Error
        }
        (_, Some(signal)) if !OWN_SIGNALS.contains(&signal) => ExitReason::Killed,
        (Some(0), _) => ExitReason::Completed,
        (Some(127), None) if during.uptime < AT_ONCE => {
            ending.error_kind = StartError::CommandNotFound;
            ending.error = "it ended at once with 127: a command was not found".into();
            ExitReason::StartFailed
        }
        (Some(126), None) if during.uptime < AT_ONCE => {
            ending.error_kind = StartError::NotExecutable;
            ending.error = "it ended at once with 126: a command could not be executed".into();
            ExitReason::StartFailed
        }
        _ => ExitReason::Error,
    };
    ending
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(raw: i32, during: Circumstances) -> ExitReason {
        ending(Some(ExitStatus::from_raw(raw)), during).reason
    }

    #[test]
    fn the_same_signal_means_different_things() {
        let plain = Circumstances { uptime: Duration::from_secs(60), ..Circumstances::default() };
        assert_eq!(reason(9, plain), ExitReason::Killed);
        assert_eq!(reason(9, Circumstances { oom: true, ..plain }), ExitReason::Oom);
        assert_eq!(reason(9, Circumstances { stopping: true, out_of_grace: true, ..plain }), ExitReason::StopTimeout);
        assert_eq!(reason(9, Circumstances { stopping: true, ..plain }), ExitReason::Stopped);
        assert_eq!(reason(11, plain), ExitReason::Error);
        assert_eq!(reason(0, plain), ExitReason::Completed);
        assert_eq!(reason(1 << 8, plain), ExitReason::Error);
        assert_eq!(ending(Some(ExitStatus::from_raw(9)), plain).code, Some(137));
        assert_eq!(ending(None, plain).code, None);
    }

    #[test]
    fn codes_of_shells_count_at_once_only() {
        let at_once = Circumstances { uptime: Duration::from_millis(20), ..Circumstances::default() };
        assert_eq!(reason(127 << 8, at_once), ExitReason::StartFailed);
        assert_eq!(reason(126 << 8, at_once), ExitReason::StartFailed);
        assert_eq!(reason(127 << 8, Circumstances { uptime: Duration::from_secs(60), ..at_once }), ExitReason::Error);
    }

    #[test]
    fn a_program_that_is_not_there_is_told_from_one_that_may_not_run() {
        let folder = tempfile::tempdir().unwrap();
        let instance = InstanceFolder::at(folder.path());
        for stream in super::super::STREAMS {
            std::fs::write(instance.pipe(stream), "").unwrap();
        }
        let try_it = |argv: &[&str]| {
            let launch = Launch { argv: argv.iter().map(|word| (*word).into()).collect(), ..Launch::default() };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let _guard = runtime.enter();
            spawn(&launch, &instance).map(|_| ()).map_err(|failure| (failure.error, failure.exit_code))
        };
        assert_eq!(try_it(&["no-such-program-here"]), Err((StartError::CommandNotFound, 127)));
        assert_eq!(try_it(&["/etc/passwd"]), Err((StartError::NotExecutable, 126)));
        assert_eq!(try_it(&[]), Err((StartError::Other, 128)));
    }
}
