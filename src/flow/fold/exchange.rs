//! What was asked of models.

use crate::domain::{Event, EventBody, Exchange, ExchangeOutcome, Incident, NotAsked, Prose};

pub(super) fn apply(incident: &mut Incident, event: &Event) {
    match &event.body {
        EventBody::ExchangeBegun {
            index,
            agent,
            diagnosis,
            seen,
            faults,
            windows,
            process,
            models,
            differences,
            reserved,
        } => {
            incident.exchanges.push(Exchange {
                index: *index,
                agent: *agent,
                diagnosis: *diagnosis,
                seen: *seen,
                faults: faults.clone(),
                windows: windows.clone(),
                process: process.clone(),
                models: models.clone(),
                differences: differences.clone(),
                about: incident.verdict,
                reserved: *reserved,
                began_at: event.at,
                end: None,
                settled: false,
                unused: None,
            });
        }
        EventBody::ModelsNotAsked { agent, diagnosis, why } => {
            incident.not_asked.push(NotAsked { agent: *agent, diagnosis: *diagnosis, why: why.clone() });
        }
        EventBody::ExchangeEnded { index, end } => {
            incident.thought.questions += u32::from(!end.is_remembered());
            incident.thought.usage += end.usage;
            incident.thought.cost += end.cost;
            with(incident, *index, |exchange| exchange.end = Some(end.clone()));
        }
        EventBody::ExchangeSettled { index, unused } => {
            incident.thought.unused += u32::from(unused.is_some());
            with(incident, *index, |exchange| {
                exchange.settled = true;
                exchange.unused.clone_from(unused);
            });
            let settled = incident.exchanges.iter().find(|exchange| exchange.index == *index);
            if let Some(prose) = settled.and_then(|exchange| prose(incident, exchange)) {
                incident.prose = Some(prose);
            }
        }
        _ => {}
    }
}

/// What was written, if it is about the verdict that there is.
fn prose(incident: &Incident, exchange: &Exchange) -> Option<Prose> {
    let end = exchange.end.as_ref().filter(|_| exchange.unused.is_none())?;
    let ExchangeOutcome::Written { text } = &end.outcome else { return None };
    let stands = exchange.diagnosis == incident.diagnosed_since && exchange.about == incident.verdict;
    stands.then(|| Prose { model: end.model.clone(), at: exchange.began_at, text: text.clone() })
}

fn with(incident: &mut Incident, index: u32, change: impl FnOnce(&mut Exchange)) {
    if let Some(exchange) = incident.exchanges.iter_mut().find(|exchange| exchange.index == index) {
        change(exchange);
    }
}
