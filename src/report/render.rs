//! The report as Markdown.

use super::escape::{block, code, paragraphs, prose};
use super::{
    ActionReport, AlertReport, EvidenceReport, FindingReport, Moment, NotDone, QuestionReport, Report, SentCall,
    ThinkingReport,
};
use crate::domain::{AlertStatus, Prose, Timestamp};
use std::fmt::Write as _;

pub(super) fn markdown(report: &Report) -> String {
    let sections = [
        head(report),
        report.prose.as_ref().map(written).unwrap_or_default(),
        section("Alerts", &report.alerts, alert),
        timeline(&report.timeline),
        section("Findings", &report.findings, finding),
        section("What was done", &report.done, action),
        section("What was not done", &report.not_done, not_done),
        section("What to change", &report.prevention, |text| format!("- {}\n", prose(text))),
        section("Loose ends", &report.loose_ends, |text| format!("- {}\n", prose(text))),
        section("Comments", &report.comments, |text| format!("- {}\n", prose(text))),
        report.thinking.as_ref().map(thinking).unwrap_or_default(),
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

/// A model's words, told from the facts.
fn written(words: &Prose) -> String {
    let by = format!("Written by the model {}; the facts below are from the journal.", code(&words.model));
    format!("## In a model's words\n\n{by}\n\n{}", paragraphs(&words.text))
}

fn thinking(thinking: &ThinkingReport) -> String {
    let sums = &thinking.sums;
    let mut text = format!("## Models\n\n- All in all: {}", sums.words());
    let _ = match sums.unused {
        0 => writeln!(text),
        1 => writeln!(text, "; 1 answer was not used, or did not come"),
        some => writeln!(text, "; {some} answers were not used, or did not come"),
    };
    if thinking.left_out > 0 {
        let _ = writeln!(text, "- {} earlier questions are told only in these sums", thinking.left_out);
    }
    if thinking.outdated_prose {
        text.push_str("- What a model wrote was about an earlier verdict, and is not shown; the journal has it\n");
    }
    text.extend(thinking.questions.iter().map(question));
    text
}

fn question(asked: &QuestionReport) -> String {
    let at = asked.at.format("%H:%M:%SZ");
    let again = match asked.faults {
        0 => String::new(),
        1 => ", asked again with 1 fault of the answer before".to_owned(),
        faults => format!(", asked again with {faults} faults of the answer before"),
    };
    let took = asked.took.map(|took| format!(", {:.1}s", took.as_millis() as f64 / 1_000.0)).unwrap_or_default();
    let model = if asked.model.is_empty() { String::new() } else { format!("{} ", code(&asked.model)) };
    let (input, output) = (asked.usage.input, asked.usage.output);
    let mut text = format!(
        "- {at} {}{again}: {model}{} ({input} tokens asked, {output} answered, cost {}{took})\n",
        asked.agent, asked.outcome, asked.cost
    );
    if let Some(why) = &asked.unused {
        let _ = writeln!(text, "  - not used: {}", prose(why));
    }
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
    let by = match &finding.model {
        Some(model) => format!("Claimed by the model {}, as {}", code(model), code(&finding.id)),
        None => format!("Runbook {}, finding {}", code(&finding.runbook), code(&finding.id)),
    };
    format!(
        "- {}{cause} Rests on {}. ({by})\n",
        sentence(&finding.summary),
        if cites.is_empty() { "nothing".into() } else { cites.join(", ") },
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
    text.push_str(&expected(evidence));
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

/// What the model expected that proposed the step.
fn expected(evidence: &EvidenceReport) -> String {
    let mut text = String::new();
    if let Some(duration) = evidence.expects.as_ref().and_then(|expects| expects.duration) {
        let took = evidence.took.map(|took| format!(", and took {took}")).unwrap_or_default();
        let _ = writeln!(text, "- was expected to take about {duration}{took}");
    }
    if let Some(criterion) = evidence.expects.as_ref().and_then(|expects| expects.success.as_deref()) {
        let _ = writeln!(text, "- was expected to show {}", code(criterion));
    }
    if let Some(judged) = &evidence.judged {
        let _ = writeln!(text, "- {}", prose(&judged.words()));
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
