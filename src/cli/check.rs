//! `oncalld check`.

use super::{ConfigFolder, Failure, Output, block_on, print, print_json, style::command_line};
use crate::app::{Trial, trials};
use crate::config::{
    Config,
    read::{self, LoadError},
};
use crate::domain::Redactor;
use serde_json::json;
use std::process::ExitCode;

/// Exit code where the configuration is wrong.
const WRONG: u8 = 2;

/// What is checked.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    folder: ConfigFolder,
    /// Ask each configured model one tiny question too: whether it answers, in time and in the form that is asked for.
    #[arg(long)]
    live: bool,
}

/// Checks the configuration: every mistake, a line each, as `file:line:column: what; what to do`.
pub(super) fn run(arguments: &Arguments, output: Output) -> Result<ExitCode, Failure> {
    match read::load(arguments.folder.config.as_deref()) {
        Ok(loaded) => right(&loaded.config, arguments.live, output),
        Err(error @ (LoadError::Read { .. } | LoadError::Nested { .. })) => Err(Failure::usage(error)),
        Err(LoadError::Wrong(problems)) if output.json => {
            let list = problems.0.iter().map(|problem| {
                json!({
                    "file": problem.file, "line": problem.line, "column": problem.column, "what": problem.what,
                    "fix": problem.fix,
                })
            });
            print_json(&json!({"ok": false, "problems": list.collect::<Vec<_>>()}))?;
            Ok(ExitCode::from(WRONG))
        }
        Err(LoadError::Wrong(problems)) => {
            print(&problems.to_string())?;
            Ok(ExitCode::from(WRONG))
        }
    }
}

/// What is no mistake may still not be what is wanted.
fn right(config: &Config, live: bool, output: Output) -> Result<ExitCode, Failure> {
    let (operations, runbooks) = (config.catalog.operations.len(), config.catalog.runbooks.len());
    let environments: Vec<&str> = config.environments.keys().map(String::as_str).collect();
    let warnings = config.warnings();
    let asked = if live { block_on(async { Ok(tried(config).await) })? } else { Vec::new() };
    let answered = asked.iter().all(|trial| trial.problem.is_none());
    if output.json {
        let models: Vec<_> = asked.iter().map(in_json).collect();
        print_json(&json!({
            "ok": answered, "digest": config.digest, "environments": environments, "operations": operations,
            "runbooks": runbooks, "problems": [], "warnings": warnings, "models": models,
        }))?;
    } else {
        let names = environments.join(", ");
        let mut lines = vec![format!("all right: {operations} operations, {runbooks} runbooks, environments: {names}")];
        lines.extend(warnings.iter().map(|warning| format!("warning: {warning}")));
        lines.extend(asked.iter().map(in_a_line));
        if live && asked.is_empty() {
            lines.push("no models are configured: the runbooks think".to_owned());
        }
        print(&lines.join("\n"))?;
    }
    Ok(if answered { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What a vendor says may quote the key that it was shown.
async fn tried(config: &Config) -> Vec<Trial> {
    let redactor = Redactor::new(config.secrets(), "");
    let mut asked = trials(&config.agents).await;
    for problem in asked.iter_mut().filter_map(|trial| trial.problem.as_mut()) {
        *problem = redactor.text(problem).into_owned();
    }
    asked
}

fn in_a_line(trial: &Trial) -> String {
    let seconds = trial.milliseconds as f64 / 1_000.0;
    let spent = format!("{seconds:.1}s, {} tokens, cost {}", trial.usage.total(), trial.cost);
    match &trial.problem {
        None => format!("model {}: answers in the form that is asked for ({spent})", trial.model),
        Some(problem) => format!("model {}: {} ({spent})", trial.model, command_line(problem)),
    }
}

fn in_json(trial: &Trial) -> serde_json::Value {
    json!({
        "model": trial.model, "answers": trial.problem.is_none(), "problem": trial.problem,
        "milliseconds": trial.milliseconds, "usage": trial.usage, "cost": trial.cost,
    })
}
