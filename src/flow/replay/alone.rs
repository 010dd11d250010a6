//! Once it is decided otherwise: what was recorded is what would have been seen, as far as the same was looked at. What
//! was seen after a change that would not be made now tells nothing any more.

use super::{Walk, facts, words};
use crate::domain::{
    ApprovalId, ApprovalState, Cost, Digest, Event, EventBody, Evidence, ExchangeEnd, ExchangeOutcome, Step, StepId,
    StepOutcome, Timestamp, Usage,
};
use crate::flow::{Effect, Next};

/// Decisions after which it is given up: far more than any incident has.
const MOST: usize = 5_000;

/// What is said where nobody knows.
const NOT_RECORDED: &str = "not recorded; taken for unseen";

/// What a recorded event is to the incident as it is now.
enum Use {
    /// It happened here as well.
    Take(Box<EventBody>),
    /// It has no meaning here, now.
    Skip,
    /// It changed the world, which would be as it was before.
    Stop(String),
}

impl Walk<'_> {
    /// Goes on without the record's decisions.
    pub(super) fn alone(&mut self) {
        let mut rest: Vec<usize> = (self.position..self.events.len()).collect();
        for _ in 0..MOST {
            let wakes_at = match self.decide(&self.process.clone()) {
                Next::Append(decided) => {
                    for body in decided {
                        self.add(body);
                    }
                    continue;
                }
                Next::Wait { .. } if self.incident.closed_at.is_some() => return,
                Next::Wait { effects, wakes_at } => {
                    if self.assume(&effects, &rest) {
                        continue;
                    }
                    match self.next_fact(&effects, &mut rest) {
                        Ok(true) => continue,
                        Ok(false) => self.unknown = self.why_not(&effects),
                        Err(why) => self.unknown = Some(why),
                    }
                    wakes_at.filter(|_| effects.iter().all(|effect| matches!(effect, Effect::Notify { .. })))
                }
            };
            if !self.waits_until(wakes_at) {
                break;
            }
            self.unknown = None;
        }
        if self.incident.verdict.is_some() {
            self.unknown = None;
        }
    }

    /// Lets the time come at which something is tried again; whether there is one.
    fn waits_until(&mut self, wakes_at: Option<Timestamp>) -> bool {
        let asked = self.incident.approvals.iter().any(|approval| approval.state == ApprovalState::Pending);
        let at = wakes_at.filter(|at| *at > self.now && self.incident.verdict.is_none() && !asked);
        self.now = at.unwrap_or(self.now);
        at.is_some()
    }

    fn add(&mut self, body: EventBody) {
        let incident = Some(self.incident.id.clone());
        self.take(Event { seq: self.incident.seq + 1, at: self.now, incident, body, hash: Digest::new("") });
    }

    /// What was never looked at, or asked, has not been seen; whether there is such a thing.
    fn assume(&mut self, effects: &[Effect], rest: &[usize]) -> bool {
        let unknown: Vec<(EventBody, String)> =
            effects.iter().filter_map(|effect| self.unrecorded(effect, rest)).collect();
        for (body, what) in &unknown {
            self.unseen.push(what.clone());
            self.add(body.clone());
        }
        !unknown.is_empty()
    }

    /// The end of an effect that has none in what is left of the record.
    fn unrecorded(&self, effect: &Effect, rest: &[usize]) -> Option<(EventBody, String)> {
        let alone = std::slice::from_ref(effect);
        let found = rest.iter().any(|index| match &self.events[*index].body {
            body @ (EventBody::StepFinished { .. } | EventBody::ExchangeEnded { .. }) => {
                matches!(self.meaning(body, alone), Use::Take(_))
            }
            _ => false,
        });
        if found {
            return None;
        }
        match effect {
            Effect::RunStep { step, attempt } => {
                let known = self.step(step)?;
                let outcome = StepOutcome::Failed { error: NOT_RECORDED.to_owned(), transient: false };
                let body = EventBody::StepFinished { step: step.clone(), attempt: *attempt, outcome, milliseconds: 0 };
                Some((body, format!("{}, as {}", words::described(known), known.name)))
            }
            Effect::Ask { index } => {
                let exchange = self.incident.exchanges.iter().find(|exchange| exchange.index == *index)?;
                let end = ExchangeEnd {
                    model: String::new(),
                    request: Digest::of(b""),
                    answer: None,
                    usage: Usage::default(),
                    cost: Cost::default(),
                    milliseconds: 0,
                    outcome: ExchangeOutcome::Failed { error: NOT_RECORDED.to_owned() },
                };
                let what = format!("what the {} answers to this question", exchange.agent);
                Some((EventBody::ExchangeEnded { index: *index, end }, what))
            }
            _ => None,
        }
    }

    /// Takes over the next recorded fact that means something here; whether there was one.
    ///
    /// # Errors
    /// The world would be another from here on.
    fn next_fact(&mut self, effects: &[Effect], rest: &mut Vec<usize>) -> Result<bool, String> {
        if let Some(why) = self.undecided(rest) {
            return Err(why);
        }
        for (position, index) in rest.iter().copied().enumerate() {
            let event = &self.events[index];
            match self.meaning(&event.body, effects) {
                Use::Skip => {}
                Use::Stop(why) => return Err(why),
                Use::Take(body) => {
                    rest.remove(position);
                    let told = self.events.get(index + 1).map(|next| &next.body);
                    let told = told.filter(|next| {
                        let EventBody::RemedyManual { reason, .. } = next else { return false };
                        facts::is_impossible(&event.body, reason)
                    });
                    self.now = self.now.max(event.at);
                    self.add(*body);
                    if let Some(told) = told {
                        self.add(told.clone());
                    }
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// A request that nobody has decided on in the record.
    fn undecided(&self, rest: &[usize]) -> Option<String> {
        let decided = |digest: &Digest| {
            rest.iter().any(|index| match &self.events[*index].body {
                EventBody::ApprovalDecided { approval, .. } | EventBody::ApprovalExpired { approval } => {
                    self.digest(approval) == Some(digest)
                }
                _ => false,
            })
        };
        let mut pending = self.incident.approvals.iter().filter(|approval| approval.state == ApprovalState::Pending);
        let open = pending.find(|approval| !decided(&approval.digest))?;
        let command = open.command.replace('\n', " && ");
        Some(format!("people would be asked whether to run '{command}', and nobody knows what they would say"))
    }

    /// Why it does not go on by what is recorded.
    fn why_not(&self, effects: &[Effect]) -> Option<String> {
        let step = effects.iter().find_map(|effect| match effect {
            Effect::Prepare { step, .. }
            | Effect::Inspect { step, .. }
            | Effect::Send { step, .. }
            | Effect::Probe { step, .. }
            | Effect::Verify { step }
            | Effect::Compare { step } => self.step(step),
            _ => None,
        });
        let acts = step.map(|step| format!("how {} would go was not recorded", words::described(step)));
        acts.or_else(|| Some(format!("the record ends before it: it {}", facts::waiting(&self.incident))))
    }

    /// What a recorded event is here, where these effects are wanted.
    fn meaning(&self, body: &EventBody, effects: &[Effect]) -> Use {
        let incident = &self.incident;
        let when = |holds: bool| if holds { Use::Take(Box::new(body.clone())) } else { Use::Skip };
        match body {
            EventBody::AlertsReceived { .. }
            | EventBody::CommentAdded { .. }
            | EventBody::CircumstancesNoted { .. }
            | EventBody::IncidentClosed { by: Some(_), .. } => when(true),
            EventBody::IncidentTakenOver { .. } => when(incident.taken_over_by.is_none()),
            EventBody::IncidentReleased { .. } => when(incident.taken_over_by.is_some()),
            EventBody::DiagnosisRequested { .. } => when(incident.verdict.is_some()),
            EventBody::WaitingStarted { .. } => when(incident.waiting_on.is_none() && incident.verdict.is_none()),
            EventBody::WaitingEnded { .. } => when(incident.waiting_on.is_some()),
            EventBody::EnvironmentLost { .. } => when(incident.lost.is_none()),
            EventBody::EnvironmentReturned {} => when(incident.lost.is_some()),
            EventBody::TargetRechecked { .. } => when(effects.contains(&Effect::Recheck)),
            EventBody::ExchangeEnded { index, end } => self.answer(*index, end, effects),
            EventBody::ApprovalDecided { approval, decision, by, comment } => match self.request(approval) {
                Some(approval) => {
                    let (decision, by, comment) = (*decision, by.clone(), comment.clone());
                    Use::Take(Box::new(EventBody::ApprovalDecided { approval, decision, by, comment }))
                }
                None => Use::Skip,
            },
            EventBody::ApprovalExpired { approval } => match self.request(approval) {
                Some(approval) => Use::Take(Box::new(EventBody::ApprovalExpired { approval })),
                None => Use::Skip,
            },
            body => self.of_step(body, effects),
        }
    }

    /// The same for what is about a step: that of an equal step, by its own name.
    fn of_step(&self, body: &EventBody, effects: &[Effect]) -> Use {
        let wanted = effects.iter().find_map(|effect| {
            let (step, attempt) = ends(effect, body)?;
            let (now, then) = (self.step(step)?, self.steps.get(subject(body)?)?);
            facts::is_same(now, then).then_some((now, attempt))
        });
        match (wanted, body) {
            (Some((step, attempt)), body) => {
                let mut body = renamed(body.clone(), step, attempt);
                if let EventBody::CallIntended { approval: Some(approval), .. } = &mut body {
                    let digest = self.digest(approval);
                    let mut same = self.incident.approvals.iter().filter(|known| Some(&known.digest) == digest);
                    *approval = same.next_back().map_or_else(|| approval.clone(), |known| known.id.clone());
                }
                Use::Take(Box::new(body))
            }
            (None, EventBody::CallIntended { .. }) => {
                let command = body.command().unwrap_or_default();
                Use::Stop(format!("then '{command}' was run, and what was seen after it tells nothing of this"))
            }
            (None, _) => Use::Skip,
        }
    }

    /// The answer to an equal question.
    fn answer(&self, index: u32, end: &ExchangeEnd, effects: &[Effect]) -> Use {
        let begun = self.events.iter().find_map(|event| match &event.body {
            EventBody::ExchangeBegun { index: known, agent, seen, faults, .. } if *known == index => {
                Some((*agent, *seen, faults))
            }
            _ => None,
        });
        let wanted = self.incident.exchanges.iter().find(|exchange| {
            let is_equal = Some((exchange.agent, exchange.seen, &exchange.faults)) == begun;
            is_equal && effects.contains(&Effect::Ask { index: exchange.index })
        });
        match wanted {
            Some(exchange) => {
                let (index, end) = (exchange.index, end.clone());
                Use::Take(Box::new(EventBody::ExchangeEnded { index, end }))
            }
            None => Use::Skip,
        }
    }

    /// The pending request that is about the same as a recorded one.
    fn request(&self, recorded: &ApprovalId) -> Option<ApprovalId> {
        let digest = self.digest(recorded)?;
        let same = self.incident.approvals.iter().rev();
        let mut same = same.filter(|approval| approval.state == ApprovalState::Pending && approval.digest == *digest);
        same.next().map(|approval| approval.id.clone())
    }

    fn digest(&self, recorded: &ApprovalId) -> Option<&Digest> {
        self.events.iter().find_map(|event| match &event.body {
            EventBody::ApprovalRequested { approval } if approval.id == *recorded => Some(&approval.digest),
            _ => None,
        })
    }

    fn step(&self, id: &StepId) -> Option<&Step> {
        self.incident.steps.iter().find(|record| record.step.id == *id).map(|record| &record.step)
    }
}

/// The step of an effect that ends in such an event, and which attempt it is.
fn ends<'a>(effect: &'a Effect, body: &EventBody) -> Option<(&'a StepId, u32)> {
    match (effect, body) {
        (
            Effect::RunStep { step, attempt },
            EventBody::StepFinished { outcome: StepOutcome::Succeeded { .. } | StepOutcome::Failed { .. }, .. },
        ) => Some((step, *attempt)),
        (Effect::Prepare { step, attempt }, EventBody::StepPrepared { .. } | EventBody::PrepareFailed { .. }) => {
            Some((step, *attempt))
        }
        (Effect::Inspect { step, index, undo }, EventBody::CallIntended { index: position, undo: back, .. })
        | (
            Effect::Send { step, index, undo } | Effect::Probe { step, index, undo },
            EventBody::CallFinished { index: position, undo: back, .. },
        ) if (index, undo) == (position, back) => Some((step, 1)),
        (Effect::Verify { step }, EventBody::VerifyFinished { .. })
        | (Effect::Compare { step }, EventBody::UndoRequested { .. }) => Some((step, 1)),
        _ => None,
    }
}

fn subject(body: &EventBody) -> Option<&StepId> {
    match body {
        EventBody::StepFinished { step, .. }
        | EventBody::StepPrepared { step, .. }
        | EventBody::PrepareFailed { step, .. }
        | EventBody::CallIntended { step, .. }
        | EventBody::CallFinished { step, .. }
        | EventBody::VerifyFinished { step, .. }
        | EventBody::UndoRequested { step, .. } => Some(step),
        _ => None,
    }
}

/// What happened to an equal step, as if it had happened to this one.
fn renamed(mut body: EventBody, now: &Step, number: u32) -> EventBody {
    let rename = |evidence: &mut Evidence| {
        evidence.step = now.id.clone();
        evidence.name.clone_from(&now.name);
    };
    match &mut body {
        EventBody::StepFinished { step, attempt, outcome, .. } => {
            (*step, *attempt) = (now.id.clone(), number);
            if let StepOutcome::Succeeded { evidence } = outcome {
                rename(evidence);
            }
        }
        EventBody::VerifyFinished { step, evidence, .. } => {
            *step = now.id.clone();
            evidence.iter_mut().for_each(rename);
        }
        EventBody::StepPrepared { step, .. }
        | EventBody::PrepareFailed { step, .. }
        | EventBody::CallIntended { step, .. }
        | EventBody::CallFinished { step, .. }
        | EventBody::UndoRequested { step, .. } => *step = now.id.clone(),
        _ => {}
    }
    body
}
