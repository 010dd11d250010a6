//! `oncalld check`.

use super::{ConfigFolder, Failure, Output, print, print_json};
use crate::config::{
    Config,
    read::{self, LoadError},
};
use serde_json::json;
use std::process::ExitCode;

/// Exit code where the configuration is wrong.
const WRONG: u8 = 2;

/// Checks the configuration: every mistake, a line each, as `file:line:column: what; what to do`.
pub(super) fn run(folder: &ConfigFolder, output: Output) -> Result<ExitCode, Failure> {
    match read::load(folder.config.as_deref()) {
        Ok(loaded) => right(&loaded.config, output),
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

fn right(config: &Config, output: Output) -> Result<ExitCode, Failure> {
    let (operations, runbooks) = (config.catalog.operations.len(), config.catalog.runbooks.len());
    let environments: Vec<&str> = config.environments.keys().map(String::as_str).collect();
    if output.json {
        print_json(&json!({
            "ok": true, "digest": config.digest, "environments": environments, "operations": operations,
            "runbooks": runbooks, "problems": [],
        }))?;
    } else {
        let names = environments.join(", ");
        print(&format!("all right: {operations} operations, {runbooks} runbooks, environments: {names}"))?;
    }
    Ok(ExitCode::SUCCESS)
}
