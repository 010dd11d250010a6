//! The command line: one file per subcommand.
//!
//! ```text
//! serve, demo, check, plan, journal, replay ─► configuration, app
//! everything else ─► client ─► HTTP ─► a running daemon
//! ```

mod check;
mod client;
mod configuration;
mod decide;
mod demo;
mod diagnose;
mod facts;
mod failure;
mod follow;
mod health;
mod history;
mod ids;
mod incidents;
mod journal;
pub mod live;
mod operate;
mod plan;
mod replay;
mod report;
mod sample;
mod serve;
mod shim;
mod show;
mod stop;
pub mod style;
mod table;
mod thoughts;
mod watch;
mod wheel;

use clap::{Args, Parser, Subcommand};
use client::{Client, Connection};
use failure::Failure;
use std::{future::Future, io::Write as _, path::PathBuf, process::ExitCode};
use style::Style;

/// The on-call daemon: a real alert in, a diagnosed, approved and verified fix out.
#[derive(Debug, Parser)]
#[command(name = "oncalld", version, about, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    output: Output,
}

/// How answers look.
#[derive(Args, Clone, Copy, Debug)]
struct Output {
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

/// Where the configuration is.
#[derive(Args, Clone, Debug)]
pub struct ConfigFolder {
    /// Folder that holds platform.yml and its siblings; without it, what is compiled in.
    #[arg(long, env = "ONCALLD_CONFIG", value_name = "DIR")]
    pub config: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Local(Local),
    #[command(flatten)]
    Remote(Remote),
}

/// What needs no running daemon.
#[derive(Debug, Subcommand)]
enum Local {
    /// Run the daemon.
    Serve(ConfigFolder),
    /// Check the configuration: every mistake at once, with file, line and what to do.
    Check(check::Arguments),
    /// Show what a webhook body would lead to: plan and native calls. Touches nothing.
    Plan(plan::Arguments),
    /// Check the journal.
    #[command(subcommand)]
    Journal(journal::Arguments),
    /// Decide again on an incident from the journal alone: whether it would be the same, now or by other rules. Ends with 0
    /// if it would, with 3 if not.
    Replay(replay::Arguments),
    /// Break a small real service, and see it diagnosed and put right.
    Demo(demo::Arguments),
    /// Be one of the demo's services.
    #[command(hide = true)]
    Sample(sample::Arguments),
    /// Watch over one instance of a service; the daemon starts this.
    #[command(hide = true)]
    Shim(shim::Arguments),
}

/// What a running daemon is asked for.
#[derive(Debug, Subcommand)]
enum Remote {
    /// Diagnose a service now.
    Diagnose(diagnose::Arguments),
    /// List incidents, newest first.
    Incidents(incidents::Arguments),
    /// Show one incident.
    Show(show::Arguments),
    /// Print the report of an incident.
    Report(report::Arguments),
    /// Follow what happens.
    Watch(watch::Arguments),
    /// Approve a request, after showing exactly what it would run.
    Approve(decide::Arguments),
    /// Deny a request.
    Deny(decide::Arguments),
    /// Take the wheel: nothing further runs until released.
    TakeOver(wheel::Arguments),
    /// Give the wheel back.
    Release(wheel::Arguments),
    /// Close an incident.
    Close(wheel::Arguments),
    /// Say something to an incident.
    Comment(wheel::CommentArguments),
    /// Stop every mutation, everywhere (the kill switch).
    Stop(stop::Arguments),
    /// Run one operation by hand, through the same gate and journal as any.
    Run(operate::Arguments),
    /// Configuration changes of a service that oncalld saw.
    History(history::Arguments),
    /// Say whether a daemon takes alerts: exit code 0 or 1, for health checks.
    Health,
}

/// Runs a command to its end.
pub fn run(cli: Cli) -> ExitCode {
    match dispatch(cli) {
        Ok(code) => code,
        Err(failure) => {
            // If even that cannot be written, the exit code still says it.
            let _ = writeln!(std::io::stderr(), "oncalld: {failure}");
            failure.exit_code()
        }
    }
}

fn dispatch(cli: Cli) -> Result<ExitCode, Failure> {
    let Cli { command, connection, output } = cli;
    match command {
        Command::Local(command) => local(&command, output),
        Command::Remote(command) => block_on(remote(command, &connection, output)),
    }
}

fn local(command: &Local, output: Output) -> Result<ExitCode, Failure> {
    match command {
        Local::Serve(folder) => serve::run(folder),
        Local::Check(arguments) => check::run(arguments, output),
        Local::Plan(arguments) => plan::run(arguments, output),
        Local::Journal(arguments) => journal::run(arguments, output),
        Local::Replay(arguments) => replay::run(arguments, output),
        Local::Demo(arguments) => demo::run(arguments, output),
        Local::Sample(arguments) => Ok(sample::run(arguments)),
        Local::Shim(arguments) => Ok(shim::run(arguments)),
    }
}

async fn remote(command: Remote, connection: &Connection, output: Output) -> Result<ExitCode, Failure> {
    let ask = Ask { client: Client::new(connection)?, json: output.json, style: Style::of_stdout() };
    match command {
        Remote::Diagnose(arguments) => diagnose::run(&ask, arguments).await,
        Remote::Incidents(arguments) => incidents::run(&ask, arguments).await,
        Remote::Show(arguments) => show::run(&ask, arguments).await,
        Remote::Report(arguments) => report::run(&ask, arguments).await,
        Remote::Watch(arguments) => watch::run(&ask, arguments).await,
        Remote::Approve(arguments) => decide::approve(&ask, arguments).await,
        Remote::Deny(arguments) => decide::deny(&ask, arguments).await,
        Remote::TakeOver(arguments) => wheel::take_over(&ask, arguments).await,
        Remote::Release(arguments) => wheel::release(&ask, arguments).await,
        Remote::Close(arguments) => wheel::close(&ask, arguments).await,
        Remote::Comment(arguments) => wheel::comment(&ask, arguments).await,
        Remote::Stop(arguments) => stop::run(&ask, arguments).await,
        Remote::Run(arguments) => operate::run(&ask, arguments).await,
        Remote::History(arguments) => history::run(&ask, arguments).await,
        Remote::Health => health::run(&ask).await,
    }
}

/// What every command that asks a daemon needs.
struct Ask {
    client: Client,
    json: bool,
    style: Style,
}

/// Runs a short command on this thread.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(work)
}

/// Prints lines. A reader that went away (`| head`) ends the command quietly.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let newline = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    match write!(out, "{text}{newline}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        other => Ok(other?),
    }
}

fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    print(&serde_json::to_string_pretty(value).map_err(Failure::failed)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }
}
