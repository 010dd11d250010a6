//! `oncalld stop`: the kill switch.

use super::{Ask, Failure, print, print_json};
use reqwest::Method;
use serde_json::{Value, json};
use std::process::ExitCode;

/// On, off, or only asked.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Allow mutations again.
    #[arg(long, conflicts_with = "status")]
    off: bool,
    /// Only say whether it is on.
    #[arg(long)]
    status: bool,
    /// Why.
    #[arg(long, short, default_value = "")]
    reason: String,
}

/// Throws, resets or shows the kill switch.
pub(super) async fn run(ask: &Ask, arguments: Arguments) -> Result<ExitCode, Failure> {
    const PATH: &str = "/api/v1/kill-switch";
    let body = json!({"reason": arguments.reason});
    let state: Value = match (arguments.status, arguments.off) {
        (true, _) => ask.client.get(PATH).await?,
        (false, true) => ask.client.change(Method::DELETE, PATH, &body).await?,
        (false, false) => ask.client.change(Method::PUT, PATH, &body).await?,
    };
    if ask.json {
        print_json(&state)?;
    } else if state.get("on") == Some(&Value::Bool(true)) {
        print("the kill switch is on: nothing is changed anywhere until `oncalld stop --off`")?;
    } else {
        print("the kill switch is off")?;
    }
    Ok(ExitCode::SUCCESS)
}
