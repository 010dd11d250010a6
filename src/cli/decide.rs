//! `oncalld approve` and `oncalld deny`.

use super::{
    Ask, Failure,
    client::segment,
    ids, print, print_json,
    style::{Style, Tone, command_line, one_line},
};
use crate::domain::Approval;
use reqwest::Method;
use serde_json::json;
use std::{
    io::{BufRead as _, IsTerminal as _, Write as _},
    process::ExitCode,
};

/// What to decide on.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Id of the request (or how it begins), or of an incident that waits for one decision.
    id: String,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
    /// Why.
    #[arg(long, short)]
    comment: Option<String>,
}

/// Approves a request.
pub(super) async fn approve(ask: &Ask, arguments: Arguments) -> Result<ExitCode, Failure> {
    decide(ask, arguments, "approve").await
}

/// Denies a request.
pub(super) async fn deny(ask: &Ask, arguments: Arguments) -> Result<ExitCode, Failure> {
    decide(ask, arguments, "deny").await
}

async fn decide(ask: &Ask, arguments: Arguments, what: &str) -> Result<ExitCode, Failure> {
    let approval = ids::approval(&ask.client, &arguments.id).await?;
    if !ask.json {
        print(&render(&approval, &ask.style).join("\n"))?;
    }
    if !arguments.yes && !confirmed(what)? {
        return Err(Failure::failed("nothing was decided"));
    }
    // The digest of what was shown: if it is no longer what would be run, the daemon refuses.
    let body = json!({"digest": approval.digest, "comment": arguments.comment});
    let path = format!("/api/v1/approvals/{}/{what}", segment(approval.id.as_str()));
    let decided = ask.client.change(Method::POST, &path, &body).await?;
    if ask.json {
        print_json(&decided)?;
    } else {
        let state = decided.get("state").and_then(serde_json::Value::as_str).unwrap_or("decided");
        let more =
            if state == "pending" { format!(": {} decisions are needed", approval.quorum) } else { String::new() };
        print(&format!("{} is {state}{more}; follow it with: oncalld watch {}", approval.id, approval.incident))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Exactly what a request is about.
pub(super) fn render(approval: &Approval, style: &Style) -> Vec<String> {
    let mut lines = vec![
        style.paint(
            Tone::Strong,
            &format!("{}  {} {} in {}", approval.id, approval.operation, approval.target, approval.environment),
        ),
        format!("  risk     {}", approval.risk),
        format!("  why      {}", one_line(&approval.reason)),
    ];
    let mut add = |label: &str, texts: Vec<String>| {
        for (index, text) in texts.iter().enumerate() {
            lines.push(format!("  {:<8} {text}", if index == 0 { label } else { "" }));
        }
    };
    let whole = |text: &str| text.lines().map(|line| format!("$ {}", command_line(line))).collect();
    add("runs", whole(&approval.command));
    add("changes", approval.diff.iter().map(|text| one_line(text)).collect());
    add("undo", if approval.undo.is_empty() { vec!["nothing takes this back".into()] } else { whole(&approval.undo) });
    add("expires", vec![style.date_time(approval.expires_at)]);
    add("digest", vec![approval.digest.to_string()]);
    lines
}

fn confirmed(what: &str) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(format!("to {what} without a terminal, add --yes")));
    }
    let mut err = std::io::stderr();
    write!(err, "{what}? [y/N] ")?;
    err.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_shown_whole() {
        let approval: Approval = serde_json::from_value(json!({
            "id": "apr_1", "incident": "inc_1", "step": "inc_1.r1.0", "environment": "local", "operation": "update_resources",
            "target": "api", "arguments": {}, "command": "docker update --memory 32MiB api\ndocker restart api",
            "undo": "docker update --memory 16MiB api", "diff": ["memory_limit: 16MiB → 32MiB"], "risk": "reversible",
            "reason": "autonomy is approve", "digest": "abc", "quorum": 1, "role": "approver", "excluded": null,
            "state": "pending", "requested_at": "2026-11-21T12:00:00Z", "expires_at": "2026-11-21T13:00:00Z",
            "decided_by": [], "comment": null,
        }))
        .unwrap();
        let text = render(&approval, &Style::plain()).join("\n");
        for part in ["$ docker update --memory 32MiB api", "$ docker restart api", "16MiB → 32MiB", "abc", "reversible"]
        {
            assert!(text.contains(part), "{part} is missing:\n{text}");
        }
    }
}
