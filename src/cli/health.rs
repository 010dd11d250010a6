//! `oncalld health`: whether a daemon takes alerts, as an exit code. For health checks of containers and service managers.

use super::{Ask, Failure, print, print_json};
use serde_json::Value;
use std::process::ExitCode;

/// Asks; 0 if alerts can be made durable, 1 if not or if nobody answers. What is degraded is named, and does not fail.
pub(super) async fn run(ask: &Ask) -> Result<ExitCode, Failure> {
    let readiness: Value = ask.client.get("/ready").await?;
    if ask.json {
        print_json(&readiness)?;
        return Ok(ExitCode::SUCCESS);
    }
    let degraded = readiness.get("degraded").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let text = |one: &Value, name: &str| one.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let lines = degraded.iter().map(|one| format!("degraded: {}: {}", text(one, "dependency"), text(one, "problem")));
    print(&std::iter::once("ready".to_owned()).chain(lines).collect::<Vec<_>>().join("\n"))?;
    Ok(ExitCode::SUCCESS)
}
