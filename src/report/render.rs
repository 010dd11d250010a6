//! The report as Markdown.

use super::escape::{block, code, prose};
use super::{ActionReport, AlertReport, EvidenceReport, FindingReport, Moment, NotDone, Report, SentCall};
use crate::domain::{AlertStatus, Timestamp};
use std::fmt::Write as _;

pub(super) fn markdown(report: &Report) -> String {
    let sections = [
        head(report),
        section("Alerts", &report.alerts, alert),
        timeline(&report.timeline),
        section("Findings", &report.findings, finding),
        section("What was done", &report.done, action),
        section("What was not done", &report.not_done, not_done),
        section("What to change", &report.prevention, |text| format!("- {}\n", prose(text))),
        section("Loose ends", &report.loose_ends, |text| format!("- {}\n", prose(text))),
        section("Comments", &report.comments, |text| format!("- {}\n", prose(text))),
        section("Evidence", &report.evidence, evidence),
    ];
    let shown: Vec<&str> = sections.iter().map(|text| text.trim_end()).filter(|text| !text.is_empty()).collect();
    shown.join("\n\n") + "\n"
}

/// Writing to a String cannot fail, so results of `write!` are dropped here and below.
fn section<T>(title: &str, items: &[T], show: impl Fn(&T) -> String) -> String {
    if items.is_empty() {
        return String::new();
    }
    format!("## {title}\n\n{}", items.iter().map(show).collect::<String>())
}

fn head(report: &Report) -> String {
    let mut text = format!("# {}\n\n", prose(&report.title));
    let verdict = match report.verdict {
        Some(verdict) => format!("**{verdict}**{}", with_dash(&report.verdict_reason)),
        None => format!("none yet; the incident is {}", report.state),
    };
    let _ = writeln!(text, "- Verdict: {verdict}");
    let _ = match &report.cause {
        Some(cause) => writeln!(
            text,
            "- Cause: {} (confidence {:.0} %){}",
            code(&cause.code),
            cause.confidence * 100.0,
            with_dash(&cause.summary)
        ),
        None => writeln!(text, "- Cause: none found"),
    };
    let place = match &report.service {
        Some(service) => format!("{} in {}", code(service), code(&report.environment)),
        None => format!("environment {}", code(&report.environment)),
    };
    let _ = writeln!(text, "- Where: {place}");
    let closed = match report.closed_at {
        Some(closed) => format!("{} to {} ({})", time(report.opened_at), time(closed), report.duration),
        None => format!("since {}", time(report.opened_at)),
    };
    let _ = writeln!(text, "- When: {closed}");
    let _ = writeln!(text, "- Severity: {}; opened by {}", prose(&report.severity), prose(&report.trigger));
    let _ = match &report.follows {
        Some(other) => {
            writeln!(text, "- Incident: {}, following up {}", code(report.incident.as_str()), code(other.as_str()))
        }
        None => writeln!(text, "- Incident: {}", code(report.incident.as_str())),
    };
    text
}

fn alert(alert: &AlertReport) -> String {
    let period = match (alert.status, alert.ends_at) {
        (AlertStatus::Firing, _) => format!("fires since {}", time(alert.starts_at)),
        (AlertStatus::Resolved, Some(end)) => format!("from {} to {}", time(alert.starts_at), time(end)),
        (AlertStatus::Resolved, None) => format!("from {}, resolved", time(alert.starts_at)),
    };
    let mut text =
        format!("- **{}** ({}), {period}{}\n", prose(&alert.name), prose(&alert.severity), with_dash(&alert.summary));
    if let Some(expression) = &alert.expression {
        let _ = writeln!(text, "  - expression: {}", code(expression));
    }
    text
}

/// Times of day, with the date where it changes.
fn timeline(moments: &[Moment]) -> String {
    let mut date = None;
    section("Timeline (UTC)", moments, |_| String::new())
        + &moments
            .iter()
            .map(|moment| {
                let today = moment.at.date_naive();
                let heading = if date.replace(today) == Some(today) {
                    String::new()
                } else {
                    format!("{}**{today}**\n\n", if today == moments[0].at.date_naive() { "" } else { "\n" })
                };
                let command = moment.command.iter().flat_map(|command| command.lines()).map(code);
                let command = command.collect::<Vec<_>>().join(", ");
                let colon = if command.is_empty() { "" } else { ": " };
                format!("{heading}- {} {}{colon}{command}\n", moment.at.format("%H:%M:%S"), prose(&moment.what))
            })
            .collect::<String>()
}

fn finding(finding: &FindingReport) -> String {
    let cause = match (&finding.cause, finding.confidence) {
        (Some(cause), Some(confidence)) => format!(" Cause: {} ({:.0} %).", code(cause), confidence * 100.0),
        _ => String::new(),
    };
    let cites: Vec<String> = finding.cites.iter().map(|name| code(name)).collect();
    format!(
        "- {}{cause} Rests on {}. (Runbook {}, finding {})\n",
        sentence(&finding.summary),
        if cites.is_empty() { "nothing".into() } else { cites.join(", ") },
        code(&finding.runbook),
        code(&finding.id)
    )
}

fn action(action: &ActionReport) -> String {
    let target = if action.target.is_empty() { "the environment".into() } else { code(&action.target) };
    let mut text = format!("### {} on {target}\n\n", code(&action.operation));
    if !action.reason.is_empty() {
        let _ = writeln!(text, "- Why: {}", prose(&action.reason));
    }
    if !action.cause.is_empty() {
        let _ = writeln!(text, "- For the cause: {}", code(&action.cause));
    }
    let _ = writeln!(text, "- Decided: {}; risk: {}", prose(&action.decided), action.risk);
    if let Some(comment) = &action.comment {
        let _ = writeln!(text, "- Comment: {}", prose(comment));
    }
    for change in &action.changes {
        let _ = writeln!(text, "- Change: {}", prose(change));
    }
    calls(&mut text, "Sent", &action.calls);
    let _ = writeln!(text, "- Verification: {}", prose(&action.verification));
    if let Some(criterion) = &action.criterion {
        let _ = writeln!(text, "  - checked: {}", code(criterion));
    }
    let commands: Vec<String> = action.undo_commands.iter().map(|command| code(command)).collect();
    let colon = if commands.is_empty() { "" } else { ": " };
    let _ = writeln!(text, "- Undo: {}{colon}{}", prose(&action.undo), commands.join(", "));
    calls(&mut text, "Sent to take it back", &action.undo_calls);
    text.push('\n');
    text
}

fn calls(text: &mut String, title: &str, calls: &[SentCall]) {
    for call in calls {
        let at = call.at.format("%H:%M:%SZ");
        let _ = writeln!(text, "- {title} at {at}: {} — {}", code(&call.command), prose(&call.outcome));
    }
}

fn not_done(item: &NotDone) -> String {
    let mut text = format!("- {}: {}\n", code(&item.what), prose(&item.why));
    for command in &item.commands {
        let _ = writeln!(text, "  - not sent: {}", code(command));
    }
    if !item.instructions.is_empty() {
        let _ = writeln!(text, "  - for a person to do:\n");
        text.push_str(&block(&[item.instructions.trim_end().to_owned()], "    "));
    }
    text
}

fn evidence(evidence: &EvidenceReport) -> String {
    let target = if evidence.target.is_empty() { String::new() } else { format!(" of {}", code(&evidence.target)) };
    let mut text = format!("### {}: {}{target}\n\n", code(&evidence.name), code(&evidence.operation));
    let _ = writeln!(text, "- {}, phase {}{}", time(evidence.at), evidence.phase, with_dash(&evidence.reason));
    for command in &evidence.commands {
        let _ = writeln!(text, "- ran {}", code(command));
    }
    let more = if evidence.truncated { "; the journal holds only a part" } else { "" };
    let _ = writeln!(text, "- digest {}{more}", code(evidence.digest.short()));
    let shown: Vec<String> = evidence.facts.iter().chain(&evidence.lines).cloned().collect();
    text.push('\n');
    if !shown.is_empty() {
        text.push_str(&block(&shown, ""));
        text.push('\n');
    }
    text
}

fn with_dash(text: &str) -> String {
    let text = prose(text);
    if text.is_empty() { text } else { format!(" — {text}") }
}

fn sentence(text: &str) -> String {
    let text = prose(text);
    if text.ends_with(['.', '!', '?']) { text } else { format!("{text}.") }
}

fn time(at: Timestamp) -> String {
    at.format("%Y-%m-%d %H:%M:%SZ").to_string()
}
