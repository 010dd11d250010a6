//! `oncalld run`: one operation by hand.

use super::{Ask, Failure, client::segment, diagnose::begun_run};
use crate::domain::Values;
use reqwest::Method;
use serde_json::{Value, json};
use std::process::ExitCode;

/// Which operation, on what.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Name of the operation: see `GET /api/v1/operations`.
    operation: String,
    /// The service to act on; none for an operation on the environment itself.
    target: Option<String>,
    /// An argument; a value that is JSON is taken as such, anything else as text.
    #[arg(long = "arg", short, value_name = "NAME=VALUE", value_parser = argument)]
    arguments: Vec<(String, Value)>,
    /// Environment, where it does not follow from the target.
    #[arg(long)]
    environment: Option<String>,
    /// Follow it to its end.
    #[arg(long)]
    watch: bool,
    /// Wait for its end without a word.
    #[arg(long, conflicts_with = "watch")]
    wait: bool,
}

fn argument(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("write it as name=value")?;
    Ok((name.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| Value::from(value))))
}

/// Runs one operation.
pub(super) async fn run(ask: &Ask, arguments: Arguments) -> Result<ExitCode, Failure> {
    let given: Values = arguments.arguments.into_iter().collect();
    let body = json!({"environment": arguments.environment, "target": arguments.target, "arguments": given});
    let path = format!("/api/v1/operations/{}", segment(&arguments.operation));
    let begun = ask.client.change(Method::POST, &path, &body).await?;
    begun_run(ask, &begun, arguments.watch, arguments.wait).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_json_where_they_are() {
        assert_eq!(argument("timeout=30s").unwrap(), ("timeout".into(), json!("30s")));
        assert_eq!(argument("argv=[\"ls\",\"-l\"]").unwrap(), ("argv".into(), json!(["ls", "-l"])));
        assert_eq!(argument("replicas=2").unwrap(), ("replicas".into(), json!(2)));
        assert!(argument("replicas").is_err());
    }
}
