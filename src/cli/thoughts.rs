//! What models are asked and answer, as words for a terminal.

use super::style::{Style, Tone, one_line};
use crate::domain::{
    AgentRole, EventBody, Exchange, ExchangeEnd, ExchangeOutcome, Incident, Plan, PlanSource, Step, StepRecord,
};

/// A heading, its tone and the rest of the line, for an event that is about a question to models.
pub(super) fn line(body: &EventBody) -> Option<(&'static str, Tone, String)> {
    Some(match body {
        EventBody::ExchangeBegun { agent, faults, windows, models, .. } => {
            ("asking", Tone::Faint, asking(*agent, models, faults.len(), windows.len()))
        }
        EventBody::ExchangeEnded { end, .. } => {
            let tone = match end.outcome {
                ExchangeOutcome::Malformed { .. } | ExchangeOutcome::Failed { .. } => Tone::Warning,
                _ => Tone::Faint,
            };
            ("answer", tone, answer(end))
        }
        EventBody::ModelsNotAsked { agent, why, .. } => {
            ("not asked", Tone::Warning, format!("the models of the {agent}: {}", one_line(why)))
        }
        EventBody::ExchangeSettled { unused: Some(why), .. } => ("not used", Tone::Warning, one_line(why)),
        _ => return None,
    })
}

/// `planner (mini, large)…`.
fn asking(agent: AgentRole, models: &[String], faults: usize, windows: usize) -> String {
    let models = if models.is_empty() { String::new() } else { format!(" ({})", one_line(&models.join(", "))) };
    let more = match (faults, windows) {
        (0, 0) => String::new(),
        (0, 1) => " with 1 part of what was captured".to_owned(),
        (0, windows) => format!(" with {windows} parts of what was captured"),
        (1, _) => " again, with 1 fault of its answer".to_owned(),
        (faults, _) => format!(" again, with {faults} faults of its answer"),
    };
    format!("{agent}{models}{more}…")
}

/// `mini proposed 3 steps (1,204 tokens, 0.0021, 1.3s)`.
fn answer(end: &ExchangeEnd) -> String {
    let seconds = end.milliseconds as f64 / 1_000.0;
    format!("{} ({}, {seconds:.1}s)", one_line(&end.did()), end.spent())
}

/// The steps that a model planned, with what it expects of them.
pub(super) fn proposed(plan: &Plan) -> impl Iterator<Item = String> {
    let by_model = matches!(plan.source, PlanSource::Model { .. });
    plan.steps().filter(move |(_, step)| by_model && step.expects.is_some()).map(|(_, step)| planned(step))
}

/// `get_logs db: it may have refused it (about 5s)`.
fn planned(step: &Step) -> String {
    let what = format!("{} {}", step.operation, step.target);
    let duration = step.expects.as_ref().and_then(|expects| expects.duration);
    let about = duration.map(|duration| format!(" (about {duration})")).unwrap_or_default();
    format!("{}: {}{about}", one_line(what.trim()), one_line(&step.reason))
}

/// What a model expected of a step and what came of that, below the step.
pub(super) fn expected(record: &StepRecord) -> Vec<String> {
    let Some(expects) = &record.step.expects else { return Vec::new() };
    let mut lines = vec![format!("      because {}", one_line(&record.step.reason))];
    if let Some(duration) = expects.duration {
        lines.push(format!("      expected to take about {duration}"));
    }
    if let Some(criterion) = &expects.success {
        lines.push(format!("      expected to show {}", one_line(criterion)));
    }
    lines.extend(record.judged.as_ref().map(|judged| format!("      {}", one_line(&judged.words()))));
    lines
}

/// Everything that models had to do with an incident; nothing where none was asked.
pub(super) fn all(incident: &Incident, style: &Style) -> Vec<String> {
    if incident.exchanges.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![
        String::new(),
        format!("{}  {}", style.paint(Tone::Strong, "models"), style.paint(Tone::Faint, &incident.thought.words())),
    ];
    lines.extend(incident.exchanges.iter().flat_map(|exchange| asked(exchange, style)));
    lines
}

fn asked(exchange: &Exchange, style: &Style) -> Vec<String> {
    let at = style.time(exchange.began_at);
    let first = match &exchange.end {
        Some(end) => format!("  {at}  {}: {}", exchange.agent, answer(end)),
        None => {
            let (faults, windows) = (exchange.faults.len(), exchange.windows.len());
            format!("  {at}  asking {}", asking(exchange.agent, &exchange.models, faults, windows))
        }
    };
    let mut lines = vec![first];
    if let Some(why) = &exchange.unused {
        lines.push(format!("      {}: {}", style.paint(Tone::Warning, "not used"), one_line(why)));
    }
    lines
}

/// A model's words about the verdict.
pub(super) fn prose(incident: &Incident, style: &Style) -> Vec<String> {
    let Some(prose) = &incident.prose else { return Vec::new() };
    let by = format!("written by the model {}; the facts are below", one_line(&prose.model));
    let mut lines = vec![String::new(), style.paint(Tone::Faint, &by)];
    lines.extend(prose.text.lines().filter(|line| !line.trim().is_empty()).map(|line| {
        let whole = crate::domain::clean_text(line.trim(), usize::MAX);
        format!("  {}", style.in_column(2, &whole))
    }));
    lines
}
