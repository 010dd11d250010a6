//! `oncalld plan`: what a webhook body would lead to. Reads what runs, touches nothing.

use super::{
    ConfigFolder, Failure, Output, block_on, configuration, print, print_json,
    style::{Style, Tone, command_line, one_line},
};
use crate::app::{self, Preview, PreviewStep};
use crate::domain::SenderKind;
use crate::intake;
use serde_json::json;
use std::{io::Read as _, path::PathBuf, process::ExitCode};

/// Bodies of webhooks are far smaller.
const LARGEST_FILE: u64 = 16 << 20;

/// Which body.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// File with the body of a webhook; `-` for standard input.
    file: PathBuf,
    /// Whose webhook it is.
    #[arg(long, value_enum, default_value_t = Sender::Alertmanager)]
    sender: Sender,
    #[command(flatten)]
    folder: ConfigFolder,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Sender {
    Alertmanager,
    Grafana,
}

/// Prints incidents, steps and native calls.
pub(super) fn run(arguments: &Arguments, output: Output) -> Result<ExitCode, Failure> {
    let body = read(&arguments.file)?;
    let kind = match arguments.sender {
        Sender::Alertmanager => SenderKind::Alertmanager,
        Sender::Grafana => SenderKind::Grafana,
    };
    let understood = match kind {
        SenderKind::Alertmanager => intake::alertmanager(&body, "plan"),
        SenderKind::Grafana => intake::grafana(&body, "plan"),
    };
    let file = arguments.file.display();
    let understood = understood.map_err(|error| Failure::failed(format!("{file}: {error}")))?;
    let config = configuration::load(arguments.folder.config.as_deref())?;
    let previewed = block_on(async { app::preview(&config, &understood.delivery).await.map_err(Failure::failed) })?;
    if output.json {
        print_json(&json!({
            "incidents": previewed.incidents, "rejected": understood.rejected, "problems": previewed.problems,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let style = Style::of_stdout();
    let mut lines: Vec<String> =
        understood.rejected.iter().map(|one| format!("alert {} is rejected: {}", one.index, one.reason)).collect();
    lines.extend(previewed.problems.iter().map(|problem| style.paint(Tone::Warning, problem)));
    if previewed.incidents.is_empty() {
        lines.push("no incident would be opened: nothing in it fires".into());
    }
    lines.extend(previewed.incidents.iter().flat_map(|incident| render(incident, &style)));
    print(&lines.join("\n"))?;
    Ok(ExitCode::SUCCESS)
}

fn read(path: &PathBuf) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin().lock().take(LARGEST_FILE).read_to_end(&mut body)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(LARGEST_FILE).read_to_end(&mut body))
    };
    read.map_err(|error| Failure::failed(format!("{}: {error}", path.display())))?;
    Ok(body)
}

fn render(incident: &Preview, style: &Style) -> Vec<String> {
    let place = match &incident.service {
        Some(service) => format!("{}/{service}", incident.environment),
        None => incident.environment.clone(),
    };
    let mut lines = vec![
        String::new(),
        format!(
            "{}  {}  {}",
            style.paint(Tone::Strong, &one_line(&incident.title)),
            place,
            one_line(&incident.severity)
        ),
    ];
    if let Some(why) = &incident.read_only {
        lines.push(style.paint(Tone::Warning, &format!("  only reads: {}", one_line(why))));
    }
    lines.push(format!("  runbooks: {}", incident.runbooks.join(", ")));
    let mut phase = None;
    for step in &incident.steps {
        if phase.replace(step.phase) != Some(step.phase) {
            lines.push(format!("  {}", style.paint(Tone::Strong, step.phase.as_str())));
        }
        lines.extend(step_lines(step, style));
    }
    if !incident.remedies.is_empty() {
        lines.push(format!("  {}", style.paint(Tone::Strong, "what these runbooks can do, once there is a cause")));
    }
    for remedy in &incident.remedies {
        let how = if remedy.operations.is_empty() { "for a person".into() } else { remedy.operations.join(", then ") };
        lines.push(format!("    {}: {how}  (for {})", remedy.id, remedy.causes.join(", ")));
    }
    lines
}

fn step_lines(step: &PreviewStep, style: &Style) -> Vec<String> {
    let what = format!("{} {}", step.step.operation, step.step.target);
    let given = step.step.arguments.iter().filter(|(_, value)| !value.is_null());
    let arguments: String = given.map(|(name, value)| format!("  {name}={}", one_line(&value.to_string()))).collect();
    let mut lines = vec![format!(
        "    {}{}  {}",
        what.trim(),
        style.paint(Tone::Faint, &arguments),
        style.paint(Tone::Faint, &one_line(&step.step.reason))
    )];
    lines.extend(step.commands.iter().map(|command| format!("      $ {}", command_line(command))));
    lines.extend(step.open.iter().map(|open| format!("      {}", style.paint(Tone::Warning, &one_line(open)))));
    lines
}
