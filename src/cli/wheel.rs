//! `oncalld take-over`, `release`, `close` and `comment`: what people say to an incident.

use super::{Ask, Failure, ids, print, print_json};
use reqwest::Method;
use serde_json::json;
use std::process::ExitCode;

/// Which incident, and why.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Id of the incident, or how it begins.
    id: String,
    /// Why.
    #[arg(long, short, default_value = "")]
    comment: String,
}

/// Which incident, and the words.
#[derive(Debug, clap::Args)]
pub struct CommentArguments {
    /// Id of the incident, or how it begins.
    id: String,
    /// What to say.
    text: String,
}

/// Takes the wheel.
pub(super) async fn take_over(ask: &Ask, arguments: Arguments) -> Result<ExitCode, Failure> {
    say(ask, &arguments.id, "take-over", &arguments.comment, "is yours: nothing further runs until released").await
}

/// Gives the wheel back.
pub(super) async fn release(ask: &Ask, arguments: Arguments) -> Result<ExitCode, Failure> {
    say(ask, &arguments.id, "release", &arguments.comment, "is released").await
}

/// Closes an incident.
pub(super) async fn close(ask: &Ask, arguments: Arguments) -> Result<ExitCode, Failure> {
    say(ask, &arguments.id, "close", &arguments.comment, "is closed").await
}

/// Adds a comment.
pub(super) async fn comment(ask: &Ask, arguments: CommentArguments) -> Result<ExitCode, Failure> {
    say(ask, &arguments.id, "comment", &arguments.text, "has your comment").await
}

async fn say(ask: &Ask, given: &str, what: &str, comment: &str, done: &str) -> Result<ExitCode, Failure> {
    let id = ids::incident(&ask.client, given).await?;
    let path = ids::incident_path(&id, &format!("/{what}"));
    ask.client.change(Method::POST, &path, &json!({"comment": comment})).await?;
    if ask.json {
        print_json(&json!({"incident": id, "done": what}))?;
    } else {
        print(&format!("{id} {done}"))?;
    }
    Ok(ExitCode::SUCCESS)
}
