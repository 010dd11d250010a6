//! `oncalld incidents`.

use super::{
    Ask, Failure,
    client::segment,
    print, print_json,
    style::{Tone, one_line},
    table,
};
use serde_json::Value;
use std::process::ExitCode;

/// Which incidents.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Only open ones.
    #[arg(long, conflicts_with = "closed")]
    open: bool,
    /// Only closed ones.
    #[arg(long)]
    closed: bool,
    /// Only of this environment.
    #[arg(long)]
    environment: Option<String>,
    /// Only of this service.
    #[arg(long)]
    service: Option<String>,
    /// Only in this state.
    #[arg(long)]
    state: Option<String>,
    /// Only with this verdict.
    #[arg(long)]
    verdict: Option<String>,
    /// Those that come after this one in the list.
    #[arg(long, value_name = "ID")]
    after: Option<String>,
    /// At most this many.
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
    limit: u32,
}

/// Lists incidents.
pub(super) async fn run(ask: &Ask, arguments: Arguments) -> Result<ExitCode, Failure> {
    let page: Value = ask.client.get(&path(&arguments)).await?;
    if ask.json {
        print_json(&page)?;
        return Ok(ExitCode::SUCCESS);
    }
    let items = page.get("items").and_then(Value::as_array).cloned().unwrap_or_default();
    if items.is_empty() {
        print("no incidents")?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = vec![["ID", "STATE", "VERDICT", "SEVERITY", "WHERE", "OPENED", "TITLE"].map(str::to_owned).to_vec()];
    rows.extend(items.iter().map(|item| row(ask, item)));
    let paint = |row: usize, column: usize, text: &str| match (row, column) {
        (0, _) => ask.style.paint(Tone::Faint, text),
        (_, 0) => ask.style.paint(Tone::Strong, text),
        (_, 1 | 2) => ask.style.paint(tone(text.trim()), text),
        _ => text.to_owned(),
    };
    print(&table::lines(&rows, paint).join("\n"))?;
    if let Some(next) = page.get("next").and_then(Value::as_str) {
        print(&ask.style.paint(Tone::Faint, &format!("more: oncalld incidents --after {next}")))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn path(arguments: &Arguments) -> String {
    let mut query = vec![format!("limit={}", arguments.limit)];
    if arguments.open || arguments.closed {
        query.push(format!("open={}", arguments.open));
    }
    let texts = [
        ("environment", &arguments.environment),
        ("service", &arguments.service),
        ("state", &arguments.state),
        ("verdict", &arguments.verdict),
        ("after", &arguments.after),
    ];
    query.extend(texts.iter().filter_map(|(name, text)| text.as_ref().map(|text| format!("{name}={}", segment(text)))));
    format!("/api/v1/incidents?{}", query.join("&"))
}

fn row(ask: &Ask, item: &Value) -> Vec<String> {
    let text = |name: &str| one_line(item.get(name).and_then(Value::as_str).unwrap_or("-"));
    let opened = item.get("opened_at").and_then(Value::as_str).and_then(|at| at.parse().ok());
    let place = match item.get("service").and_then(Value::as_str) {
        Some(service) if !service.is_empty() => format!("{}/{}", text("environment"), one_line(service)),
        _ => text("environment"),
    };
    let opened = opened.map_or_else(|| "-".to_owned(), |at| ask.style.date_time(at));
    vec![text("id"), text("state"), text("verdict"), text("severity"), place, opened, text("title")]
}

/// What the word of a state or a verdict means for whoever reads the list.
pub(super) fn tone(word: &str) -> Tone {
    match word {
        "resolved" | "no_fault" | "approved" | "succeeded" => Tone::Good,
        "unresolved" | "escalated" | "failed" | "denied" => Tone::Bad,
        "closed" | "-" | "skipped" | "pending" => Tone::Faint,
        _ => Tone::Warning,
    }
}
