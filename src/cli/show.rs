//! `oncalld show`.

use super::{
    Ask, Failure, decide,
    facts::summary,
    ids,
    incidents::tone,
    print, print_json,
    style::{Style, Tone, command_line, one_line},
    thoughts,
};
use crate::domain::{
    Action, AlertStatus, ApprovalState, CallOutcome, Incident, PhaseName, Retry, StepRecord, StepStatus,
};
use std::process::ExitCode;

/// Which incident.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Id of the incident, or how it begins.
    id: String,
}

/// Shows one incident.
pub(super) async fn run(ask: &Ask, arguments: Arguments) -> Result<ExitCode, Failure> {
    let id = ids::incident(&ask.client, &arguments.id).await?;
    let incident: Incident = ask.client.get(&ids::incident_path(&id, "")).await?;
    if ask.json {
        print_json(&incident)?;
    } else {
        print(&render(&incident, &ask.style).join("\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn render(incident: &Incident, style: &Style) -> Vec<String> {
    let mut lines = head(incident, style);
    lines.extend(thoughts::prose(incident, style));
    for phase in PhaseName::ALL {
        let steps: Vec<&StepRecord> = incident.steps.iter().filter(|record| record.phase == phase).collect();
        if !steps.is_empty() {
            lines.push(String::new());
            lines.push(style.paint(Tone::Strong, phase.as_str()));
            lines.extend(steps.into_iter().flat_map(|record| step(record, style)));
        }
    }
    if !incident.findings.is_empty() || !incident.manual.is_empty() {
        lines.push(String::new());
        lines.push(style.paint(Tone::Strong, "findings"));
    }
    for finding in &incident.findings {
        let cause = finding
            .cause
            .as_ref()
            .map_or_else(String::new, |cause| format!("  [{} {:.2}]", cause.code, cause.confidence));
        let by = finding.model.as_ref().map_or_else(String::new, |model| format!("  (claimed by {})", one_line(model)));
        lines.push(format!("  {}{cause}{by}", one_line(&finding.summary)));
    }
    for manual in &incident.manual {
        lines.push(format!("  for a person: {} ({})", one_line(&manual.instructions), one_line(&manual.reason)));
    }
    lines.extend(thoughts::all(incident, style));
    for approval in incident.approvals.iter().filter(|approval| approval.state == ApprovalState::Pending) {
        lines.push(String::new());
        lines.extend(decide::render(approval, style));
    }
    for comment in &incident.comments {
        lines.push(format!("{}  {}: {}", style.date_time(comment.at), one_line(&comment.by), one_line(&comment.text)));
    }
    lines
}

fn head(incident: &Incident, style: &Style) -> Vec<String> {
    let place = match &incident.service {
        Some(service) => format!("{}/{service}", incident.environment),
        None => incident.environment.clone(),
    };
    let state = style.paint(tone(incident.state.as_str()), incident.state.as_str());
    let mut lines = vec![
        format!("{}  {}", style.paint(Tone::Strong, incident.id.as_str()), one_line(&incident.title)),
        format!(
            "{state}  {}  {}  opened {}",
            one_line(&incident.severity),
            one_line(&place),
            style.date_time(incident.opened_at)
        ),
    ];
    if let Some(verdict) = incident.verdict {
        let word = style.paint(tone(verdict.as_str()), verdict.as_str());
        lines.push(format!("verdict  {word}  {}", one_line(&incident.verdict_reason)));
    }
    if let Some(cause) = &incident.cause {
        lines.push(format!("cause    {} ({:.2})  {}", cause.code, cause.confidence, one_line(&cause.summary)));
    }
    let notes = [
        ("escalated", &incident.escalated),
        ("taken over by", &incident.taken_over_by),
        ("only reads", &incident.read_only),
    ];
    lines.extend(
        notes.iter().filter_map(|(what, text)| text.as_ref().map(|text| format!("{what}: {}", one_line(text)))),
    );
    lines.extend(incident.retrying.iter().map(|retry| {
        let Retry { what, attempts, most, next_at, error, .. } = retry;
        let word = style.paint(Tone::Warning, "retrying");
        let next = style.time(*next_at);
        format!("{word} {}  {attempts} of {most} tries, next at {next}: {}", one_line(what), one_line(error))
    }));
    if let Some(other) = &incident.waiting_on {
        lines.push(format!("waits for {other}"));
    }
    for alert in &incident.alerts {
        let word = match alert.status {
            AlertStatus::Firing => style.paint(Tone::Bad, "firing"),
            AlertStatus::Resolved => style.paint(Tone::Good, "resolved"),
        };
        lines.push(format!("alert    {}  {word} since {}", one_line(alert.name()), style.date_time(alert.starts_at)));
    }
    lines
}

fn step(record: &StepRecord, style: &Style) -> Vec<String> {
    let (word, tone) = match record.status {
        StepStatus::Pending => ("pending", Tone::Faint),
        StepStatus::Running => ("running", Tone::Warning),
        StepStatus::Retrying => ("retrying", Tone::Warning),
        StepStatus::Succeeded => ("ok", Tone::Good),
        StepStatus::Failed => ("failed", Tone::Bad),
        StepStatus::Skipped => ("skipped", Tone::Faint),
    };
    let said = match (&record.evidence, &record.error) {
        (_, Some(error)) => one_line(error),
        (Some(evidence), None) => one_line(&summary(&evidence.operation, &evidence.facts)),
        (None, None) => String::new(),
    };
    let what = format!("{} {}", record.step.operation, record.step.target);
    let mut lines = vec![format!("  {} … {}  {said}", what.trim(), style.paint(tone, word)).trim_end().to_owned()];
    lines.extend(thoughts::expected(record));
    if let Some(done) = &record.action {
        lines.extend(action(done, style));
    }
    lines
}

fn action(action: &Action, style: &Style) -> Vec<String> {
    let mut lines: Vec<String> = action.diff.iter().map(|text| format!("      {}", one_line(text))).collect();
    if let Some(gate) = &action.gate {
        lines.push(format!("      gate: {}  {} ({})", gate.decision.as_str(), one_line(&gate.reason), gate.rule));
    }
    for (calls, how) in [(&action.calls, ""), (&action.undo_calls, "undo: ")] {
        for call in calls {
            let outcome = match &call.outcome {
                Some(CallOutcome::Done { .. }) => style.paint(Tone::Good, "done"),
                Some(CallOutcome::NotDone { error, .. }) => {
                    style.paint(Tone::Bad, &format!("not done: {}", one_line(error)))
                }
                Some(CallOutcome::Unknown { error }) => {
                    style.paint(Tone::Bad, &format!("nobody can tell: {}", one_line(error)))
                }
                None => style.paint(Tone::Warning, "no result yet"),
            };
            lines.push(format!("      {how}$ {}  {outcome}", command_line(&call.command)));
        }
    }
    if let Some(verify) = &action.verify {
        let (tone, word) = if verify.held { (Tone::Good, "it helped") } else { (Tone::Bad, "it did not help") };
        lines.push(format!("      verify: {}: {}", style.paint(tone, word), one_line(&verify.detail)));
    }
    lines
}
