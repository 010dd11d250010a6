//! What was asked of models.

use crate::domain::{Event, EventBody, Exchange, Incident};

pub(super) fn apply(incident: &mut Incident, event: &Event) {
    match &event.body {
        EventBody::ExchangeBegun { index, agent, diagnosis, seen, faults, windows, process } => {
            incident.exchanges.push(Exchange {
                index: *index,
                agent: *agent,
                diagnosis: *diagnosis,
                seen: *seen,
                faults: faults.clone(),
                windows: windows.clone(),
                process: process.clone(),
                began_at: event.at,
                end: None,
                settled: false,
                unused: None,
            });
        }
        EventBody::ExchangeEnded { index, end } => with(incident, *index, |exchange| exchange.end = Some(end.clone())),
        EventBody::ExchangeSettled { index, unused } => with(incident, *index, |exchange| {
            exchange.settled = true;
            exchange.unused.clone_from(unused);
        }),
        _ => {}
    }
}

fn with(incident: &mut Incident, index: u32, change: impl FnOnce(&mut Exchange)) {
    if let Some(exchange) = incident.exchanges.iter_mut().find(|exchange| exchange.index == index) {
        change(exchange);
    }
}
