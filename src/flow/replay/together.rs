//! As long as everything is decided as it was: what happened is taken over, what was decided is decided again.

use super::{Parting, Walk, facts, words};
use crate::domain::{Event, EventBody};
use crate::flow::{Effect, Next};

impl Walk<'_> {
    /// Goes along the record; whether to its end.
    pub(super) fn together(&mut self) -> bool {
        while let Some(event) = self.events.get(self.position) {
            self.now = event.at;
            let before = &self.events[self.position - 1];
            if facts::happened(event, before, &self.incident) {
                self.happened(event);
                continue;
            }
            // It may be so because of people, or of what comes next in the record.
            let is_voided = matches!(event.body, EventBody::ApprovalVoided { .. });
            let next = self.decide(&self.deciding_process());
            let goes_on = match next {
                Next::Append(decided) if is_voided && decided.first() != Some(&event.body) => self.happened(event),
                Next::Append(decided) => self.decided(decided),
                Next::Wait { effects, .. } if is_voided && !facts::look(&effects, &event.body) => self.happened(event),
                Next::Wait { effects, .. } => self.waited(event, &effects),
            };
            if !goes_on {
                return false;
            }
        }
        true
    }

    /// Takes over what came from outside; that is always alike.
    fn happened(&mut self, event: &Event) -> bool {
        self.take(event.clone());
        self.position += 1;
        true
    }

    /// What is decided now beside what was decided then; whether that is alike.
    fn decided(&mut self, decided: Vec<EventBody>) -> bool {
        let left = &self.events[self.position..];
        // What was decided together was stored at one time.
        let together = left.iter().take_while(|event| event.at == self.now).count();
        let recorded = &left[..decided.len().min(together)];
        let words = |bodies: &mut dyn Iterator<Item = &EventBody>| {
            bodies.map(|body| words::of(body, &self.steps)).collect::<Vec<_>>().join("; ")
        };
        let then = words(&mut recorded.iter().map(|event| &event.body));
        let now = words(&mut decided.iter());
        if then != now {
            self.part(then, now);
        }
        let alike = recorded.iter().zip(&decided).all(|(then, now)| facts::alike(&then.body, now));
        if !alike || recorded.len() != decided.len() {
            return false;
        }
        for (recorded, body) in recorded.iter().zip(decided) {
            // Why it was closed says nothing that its verdict does not, and what a question told is known from it alone.
            let as_recorded = matches!(body, EventBody::IncidentClosed { .. } | EventBody::ExchangeBegun { .. });
            let body = if as_recorded { recorded.body.clone() } else { body };
            self.take(Event { body, ..recorded.clone() });
            self.position += 1;
        }
        true
    }

    /// Nothing is decided now where something was: it came of a look at the target, or it is a difference.
    fn waited(&mut self, event: &Event, effects: &[Effect]) -> bool {
        if facts::look(effects, &event.body) {
            let found = facts::found(&self.events[self.position..]);
            for event in &self.events[self.position..self.position + found] {
                self.take(event.clone());
                self.position += 1;
            }
            return true;
        }
        self.part(words::of(&event.body, &self.steps), facts::waiting(&self.incident));
        false
    }

    fn part(&mut self, then: String, now: String) {
        if let (None, Some(event)) = (&self.first, self.events.get(self.position)) {
            self.first = Some(Parting { seq: event.seq, at: event.at, then, now });
        }
    }

    /// The process that decided here, as far as what it decided says.
    fn deciding_process(&self) -> String {
        let left = &self.events[self.position..];
        let at = left.first().map(|event| event.at);
        let mut together = left.iter().take_while(|event| Some(event.at) == at);
        let named = together.find_map(|event| match &event.body {
            EventBody::ExchangeBegun { process, .. } | EventBody::CallIntended { process, .. } => Some(process),
            _ => None,
        });
        named.unwrap_or(&self.process).clone()
    }
}
