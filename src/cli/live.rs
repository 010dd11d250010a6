//! Events as terminal lines, for `watch`, `diagnose --watch` and the demo.
//!
//! ```text
//! 12:00:01  triage      get_status api … ok  exited (oom, exit 137)
//! 12:00:02  finding     memory_limit_too_small (0.95)  the memory limit is below what the program needs
//! ```

use super::facts::summary;
use super::style::{Style, Tone, command_line, one_line};
use super::thoughts;
use crate::domain::{
    AlertStatus, Approval, CallOutcome, Decision, Event, EventBody, Finding, GateDecision, Plan, PlanSource, StepId,
    StepOutcome, Trigger, Verdict,
};
use std::collections::BTreeMap;

/// Steps remembered for naming what later events only cite; at 200 bytes a step this stays under 1 MiB.
const STEP_LIMIT: usize = 4096;

/// Said of what did not work and may the next time.
const AGAIN: &str = "; will be tried again";

/// Turns a stream of events into lines. It remembers the plans that it saw, since later events name steps by id only.
#[derive(Debug)]
pub struct Feed {
    style: Style,
    steps: BTreeMap<StepId, Known>,
    /// Whether lines name their incident: of use where several are shown at once.
    with_incident: bool,
}

#[derive(Debug)]
struct Known {
    phase: &'static str,
    what: String,
}

/// One line without its time: a short heading and the rest.
struct Line {
    heading: String,
    tone: Tone,
    text: String,
    /// Whether it is to be copied, and so no line is broken in it.
    whole: bool,
}

fn line(heading: &str, tone: Tone, text: impl Into<String>) -> Line {
    Line { heading: heading.to_owned(), tone, text: text.into(), whole: false }
}

fn command(heading: &str, tone: Tone, text: impl Into<String>) -> Line {
    Line { whole: true, ..line(heading, tone, text) }
}

impl Feed {
    /// A feed of one incident.
    pub fn new(style: Style) -> Self {
        Self { style, steps: BTreeMap::new(), with_incident: false }
    }

    /// A feed of all incidents: each line names its own.
    pub fn of_all(style: Style) -> Self {
        Self { with_incident: true, ..Self::new(style) }
    }

    /// The lines of one event; none for what only machines care about.
    pub fn render(&mut self, event: &Event) -> Vec<String> {
        if let EventBody::PlanMade { plan, .. } = &event.body {
            self.learn(plan);
        }
        let lines = self.lines(&event.body);
        lines.into_iter().enumerate().map(|(index, line)| self.write(event, index == 0, &line)).collect()
    }

    fn learn(&mut self, plan: &Plan) {
        for (phase, step) in plan.steps() {
            while self.steps.len() >= STEP_LIMIT {
                self.steps.pop_first();
            }
            let what = format!("{} {}", step.operation, step.target).trim().to_owned();
            self.steps.insert(step.id.clone(), Known { phase: phase.as_str(), what });
        }
    }

    fn write(&self, event: &Event, first: bool, line: &Line) -> String {
        let time = if first { self.style.time(event.at) } else { " ".repeat(8) };
        let incident = match (&event.incident, self.with_incident) {
            (Some(id), true) => format!("{}  ", self.style.paint(Tone::Faint, id.as_str())),
            _ => String::new(),
        };
        let heading = format!("{:<11}", line.heading);
        let named = event.incident.as_ref().filter(|_| self.with_incident).map_or(0, |id| id.as_str().len() + 2);
        let indent = time.len() + 2 + named + heading.chars().count() + 1;
        let text = if line.whole { line.text.clone() } else { self.style.in_column(indent, &line.text) };
        let (time, heading) = (self.style.paint(Tone::Faint, &time), self.style.paint(line.tone, &heading));
        format!("{time}  {incident}{heading} {text}").trim_end().to_owned()
    }

    fn phase(&self, step: &StepId) -> &str {
        self.steps.get(step).map_or("step", |known| known.phase)
    }

    fn what(&self, step: &StepId) -> String {
        self.steps.get(step).map_or_else(|| step.to_string(), |known| one_line(&known.what))
    }

    fn lines(&self, body: &EventBody) -> Vec<Line> {
        match body {
            EventBody::AlertsReceived { sender, alerts, .. } => alerts
                .iter()
                .map(|alert| {
                    let (word, tone) = match alert.status {
                        AlertStatus::Firing => ("firing", Tone::Warning),
                        AlertStatus::Resolved => ("resolved", Tone::Good),
                    };
                    line("alert", tone, format!("{} {word}  from {}", one_line(alert.name()), one_line(sender)))
                })
                .collect(),
            EventBody::StepFinished { step, attempt, outcome, milliseconds } => {
                vec![self.step_finished(step, *attempt, outcome, *milliseconds)]
            }
            EventBody::FindingMade { finding } => vec![found(finding)],
            EventBody::PlanMade { plan, reason } => {
                let mut lines = vec![line("plan", Tone::Faint, plan_text(plan, reason))];
                lines.extend(thoughts::proposed(plan).map(|text| line("", Tone::Faint, text)));
                lines
            }
            EventBody::ExpectationJudged { step, judged } => {
                vec![line(self.phase(step), Tone::Faint, format!("{}: {}", self.what(step), one_line(&judged.words())))]
            }
            EventBody::ApprovalRequested { approval } => self.approval(approval),
            _ => match thoughts::line(body) {
                Some((heading, tone, text)) => vec![line(heading, tone, text)],
                None => self.incident_lines(body).or_else(|| self.action_lines(body)).into_iter().collect(),
            },
        }
    }

    fn incident_lines(&self, body: &EventBody) -> Option<Line> {
        Some(match body {
            EventBody::IncidentOpened { environment, target, title, trigger, .. } => {
                let place = target.as_ref().map_or_else(|| environment.clone(), |name| format!("{environment}/{name}"));
                line("incident", Tone::Strong, format!("{}  {}{}", one_line(title), one_line(&place), by(trigger)))
            }
            EventBody::WaitingStarted { on, dependency } => {
                line("waiting", Tone::Warning, format!("for {} ({on})", one_line(dependency)))
            }
            EventBody::WaitingEnded { on } => line("waiting", Tone::Good, format!("over: {on} is closed")),
            EventBody::DiagnosisRequested { by, note } => {
                line("diagnose", Tone::Strong, one_line(&format!("{by} asks anew  {note}")).trim_end().to_owned())
            }
            EventBody::FreezeEnded { window } => {
                line("freeze", Tone::Good, format!("over: window '{}'", one_line(window)))
            }
            EventBody::RemedyManual { instructions, reason, .. } => {
                line("manual", Tone::Warning, format!("{} ({})", one_line(instructions), one_line(reason)))
            }
            EventBody::TargetRechecked { healthy, detail, .. } => {
                let tone = if *healthy == Some(true) { Tone::Good } else { Tone::Warning };
                line("re-check", tone, one_line(detail))
            }
            EventBody::VerdictReached { verdict, reason, .. } => {
                line("verdict", verdict_tone(*verdict), format!("{verdict}  {}", one_line(reason)))
            }
            EventBody::EnvironmentLost { problem } => line("lost", Tone::Bad, one_line(problem)),
            EventBody::EnvironmentReturned {} => line("lost", Tone::Good, "over: the environment answers again"),
            EventBody::IncidentEscalated { reason } => line("escalated", Tone::Bad, one_line(reason)),
            EventBody::IncidentTakenOver { by } => {
                line("taken over", Tone::Warning, format!("by {}: nothing further runs", one_line(by)))
            }
            EventBody::IncidentReleased { by } => line("released", Tone::Good, format!("by {}", one_line(by))),
            EventBody::CommentAdded { by, text } => {
                line("comment", Tone::Faint, format!("{}: {}", one_line(by), one_line(text)))
            }
            EventBody::IncidentClosed { by, reason } => {
                let by = by.as_ref().map_or_else(String::new, |name| format!("by {}  ", one_line(name)));
                line("closed", Tone::Strong, format!("{by}{}", one_line(reason)))
            }
            EventBody::NotificationFinished { channel, subject, error } => match error {
                None => line("notified", Tone::Faint, format!("{channel}  {subject}")),
                Some(error) => line("notified", Tone::Bad, format!("{channel}  {subject} failed: {}", one_line(error))),
            },
            EventBody::AlertsLeftOut { left_out } => {
                let text = format!("{} alerts, by {}: fetching them", left_out.number, one_line(&left_out.sender));
                line("left out", Tone::Faint, text)
            }
            EventBody::LeftOutFetched { error: Some(error), .. } => {
                line("left out", Tone::Bad, format!("cannot be fetched: {}", one_line(error)))
            }
            EventBody::KillSwitchSet { on, by, reason } => {
                let (tone, word) = if *on { (Tone::Bad, "ON: no mutation runs") } else { (Tone::Good, "off") };
                line("kill switch", tone, format!("{word}  by {}  {}", one_line(by), one_line(reason)))
            }
            _ => return None,
        })
    }

    fn action_lines(&self, body: &EventBody) -> Option<Line> {
        Some(match body {
            EventBody::StepPrepared { step, diff, .. } if !diff.is_empty() => {
                line("change", Tone::Strong, format!("{}: {}", self.what(step), one_line(&diff.join(", "))))
            }
            EventBody::PrepareFailed { step, error, transient } => {
                let again = if *transient { AGAIN } else { "" };
                line("prepare", Tone::Bad, format!("{} … failed  {}{again}", self.what(step), one_line(error)))
            }
            EventBody::GateDecided { step, decision, rule, reason } => {
                let tone = match decision {
                    GateDecision::Run => Tone::Good,
                    GateDecision::Ask => Tone::Warning,
                    GateDecision::Refuse => Tone::Bad,
                };
                let text = format!("{} … {}  {} ({rule})", self.what(step), decision.as_str(), one_line(reason));
                line("gate", tone, text)
            }
            EventBody::ApprovalDecided { decision, by, comment, .. } => {
                let (tone, word) = match decision {
                    Decision::Approve => (Tone::Good, "approved"),
                    Decision::Deny => (Tone::Bad, "denied"),
                };
                let said = comment.as_ref().map_or_else(String::new, |text| format!(": {}", one_line(text)));
                line(word, tone, format!("by {}{said}", one_line(by)))
            }
            EventBody::ApprovalExpired { approval } => {
                line("expired", Tone::Warning, format!("{approval}: nobody decided in time"))
            }
            EventBody::ApprovalVoided { approval, reason } => {
                line("voided", Tone::Warning, format!("{approval}: {}", one_line(reason)))
            }
            EventBody::CallIntended { undo, .. } => {
                let sent = body.command().unwrap_or_default();
                command(if *undo { "undo" } else { "run" }, Tone::Strong, format!("$ {}", command_line(&sent)))
            }
            EventBody::CallFinished { step, outcome, probed, .. } => {
                let (tone, text) = match outcome {
                    CallOutcome::Done { .. } => (Tone::Good, "done".to_owned()),
                    CallOutcome::NotDone { error, transient } => {
                        let again = if *transient && !probed { AGAIN } else { "" };
                        (Tone::Bad, format!("not done: {}{again}", one_line(error)))
                    }
                    CallOutcome::Unknown { error } => (Tone::Bad, format!("nobody can tell: {}", one_line(error))),
                };
                let how = if *probed { " (found out after a restart)" } else { "" };
                line(self.phase(step), tone, format!("{} … {text}{how}", self.what(step)))
            }
            EventBody::VerifyFinished { held, independent, detail, .. } => {
                let tone = match (held, independent) {
                    (true, Some(false)) | (false, _) => Tone::Bad,
                    (true, _) => Tone::Good,
                };
                line(
                    "verify",
                    tone,
                    format!("{}: {}", if *held { "it helped" } else { "it did not help" }, one_line(detail)),
                )
            }
            EventBody::UndoRequested { step, clean, .. } => {
                let how = if *clean { "" } else { "; the target is not as the action left it" };
                line("undo", Tone::Warning, format!("{} is to be taken back{how}", self.what(step)))
            }
            EventBody::UndoFinished { undone, detail, .. } => {
                let (tone, word) = if *undone { (Tone::Good, "done") } else { (Tone::Bad, "not done") };
                line("undo", tone, format!("{word}  {}", one_line(detail)))
            }
            _ => return None,
        })
    }

    fn step_finished(&self, step: &StepId, attempt: u32, outcome: &StepOutcome, milliseconds: u64) -> Line {
        let what = self.what(step);
        match outcome {
            StepOutcome::Succeeded { evidence } => {
                let facts = summary(&evidence.operation, &evidence.facts);
                let slow = if milliseconds >= 1000 {
                    format!(" in {:.1}s", milliseconds as f64 / 1000.0)
                } else {
                    String::new()
                };
                line(self.phase(step), Tone::Good, format!("{what} … ok{slow}  {}", one_line(&facts)))
            }
            StepOutcome::Failed { error, transient: true } => {
                let text = format!("{what} … failed at attempt {attempt}  {}{AGAIN}", one_line(error));
                line(self.phase(step), Tone::Bad, text)
            }
            StepOutcome::Failed { error, transient: false } => {
                line(self.phase(step), Tone::Bad, format!("{what} … failed  {}", one_line(error)))
            }
            StepOutcome::Skipped { reason } => {
                line(self.phase(step), Tone::Faint, format!("{what} … skipped  {}", one_line(reason)))
            }
        }
    }

    fn approval(&self, approval: &Approval) -> Vec<Line> {
        let mut lines = vec![line(
            "approval",
            Tone::Warning,
            format!(
                "{}  {} {}  {}  until {}",
                approval.id,
                one_line(&approval.operation),
                one_line(&approval.target),
                approval.risk,
                self.style.time(approval.expires_at)
            ),
        )];
        lines.extend(
            approval.command.lines().map(|text| command("", Tone::Strong, format!("$ {}", command_line(text)))),
        );
        lines.extend(approval.diff.iter().map(|text| line("", Tone::Faint, format!("  {}", one_line(text)))));
        lines.extend(
            approval.undo.lines().map(|text| command("", Tone::Faint, format!("undo: {}", command_line(text)))),
        );
        lines
    }
}

fn found(finding: &Finding) -> Line {
    let by = finding.model.as_ref().map_or_else(String::new, |model| format!("the model {} claims: ", one_line(model)));
    let summary = one_line(&finding.summary);
    match &finding.cause {
        Some(cause) => line("cause", Tone::Strong, format!("{} ({:.2})  {by}{summary}", cause.code, cause.confidence)),
        None => line("finding", Tone::Strong, format!("{by}{summary}")),
    }
}

fn by(trigger: &Trigger) -> String {
    match trigger {
        Trigger::Alert => String::new(),
        Trigger::Diagnose { name, .. } => format!("  asked for by {}", one_line(name)),
        Trigger::Operation { name, operation, .. } => format!("  {operation} by hand, by {}", one_line(name)),
        Trigger::Storm { targets } => format!("  {targets} targets alert at once"),
    }
}

fn plan_text(plan: &Plan, reason: &str) -> String {
    let phases: Vec<String> = plan.phases.iter().map(|phase| format!("{} {}", phase.name, phase.steps.len())).collect();
    let by = match &plan.source {
        PlanSource::Model { model } => format!("by {}: ", one_line(model)),
        PlanSource::Runbook { .. } | PlanSource::Person { .. } => String::new(),
    };
    format!("{by}{}  ({})", one_line(reason), phases.join(", "))
}

fn verdict_tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Resolved | Verdict::NoFault => Tone::Good,
        Verdict::Mitigated | Verdict::Inconclusive => Tone::Warning,
        Verdict::Unresolved => Tone::Bad,
    }
}

#[cfg(test)]
#[path = "live_tests.rs"]
mod tests;
