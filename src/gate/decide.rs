//! The gate's decision: every rule's opinion, the strictest of them, and whether a person has settled it.

use super::request::{GateRequest, Opinion, Purpose, Rulebook, Ruling, rule};
use super::{approval, autonomy, budget, freeze, rules};
use crate::domain::{GateDecision, Risk};

/// Decides on one mutating step, or its undo, under the current rules and under those that the incident is pinned to.
pub fn decide(request: &GateRequest<'_>, current: &Rulebook<'_>, pinned: &Rulebook<'_>) -> Ruling {
    let risk = request.effective_risk();
    let books = [current, pinned];
    let opinions: Vec<Opinion> = if risk == Risk::ReadOnly {
        books.iter().flat_map(|book| harmless(book, request)).collect()
    } else {
        let of_books = books.iter().flat_map(|book| of_book(book, request, risk));
        standing(request).into_iter().chain(of_books).chain(frozen(current, request)).collect()
    };
    let ruling = strictest(opinions, &books);
    match (ruling.decision, request.approval) {
        (GateDecision::Ask, Some(_)) => settled(request, ruling),
        _ => ruling,
    }
}

/// What is so whatever the policy says, the gravest first.
fn standing(request: &GateRequest<'_>) -> Vec<Opinion> {
    let mut found = Vec::new();
    let mut refuse = |name: &str, reason: String| found.push(Opinion::refuse(name, reason));
    let binding = request.binding;
    if request.kill_switch {
        refuse(rule::KILL_SWITCH, "the kill switch is on: nothing is changed until someone resets it".into());
    }
    match request.target {
        _ if binding.calls.is_empty() => refuse(rule::MISMATCH, "there is nothing to send".into()),
        Some(target) if target.name != binding.target => {
            refuse(rule::MISMATCH, format!("the calls are bound to '{}', not to '{}'", binding.target, target.name));
        }
        None if !binding.target.is_empty() && request.purpose == Purpose::Begin => {
            refuse(rule::UNKNOWN_TARGET, format!("the inventory does not have '{}'", binding.target));
        }
        _ => {}
    }
    if let Some(why) = request.incident.read_only {
        refuse(rule::READ_ONLY, format!("this incident may only read: {why}"));
    }
    let digest = match request.purpose {
        Purpose::Begin | Purpose::Continue => binding.digest(),
        Purpose::Undo { .. } => approval::undo_digest(binding, request.undo_seen),
    };
    if request.incident.denied.contains(&digest) {
        refuse(rule::DENIED, "a person denied exactly this; it is not asked again".into());
    }
    if let Some(step) = request.busy.filter(|step| *step != request.step) {
        refuse(rule::BUSY, format!("step {step} is changing '{}'; one at a time", binding.target));
    }
    found
}

/// What one configuration says.
fn of_book(book: &Rulebook<'_>, request: &GateRequest<'_>, risk: Risk) -> Vec<Opinion> {
    let policies = book.policies;
    let binding = request.binding;
    let mut found = Vec::new();
    let unprotected = policies
        .unprotect
        .iter()
        .any(|entry| entry.environment == binding.environment && entry.service == binding.target);
    if let Some(why) = request.target.and_then(|target| target.protected.as_ref()).filter(|_| !unprotected) {
        let how = "`unprotect` in policies.yml would allow it";
        found.push(Opinion::refuse(rule::PROTECTED, format!("'{}' is protected: {why}; {how}", binding.target)));
    }
    found.extend(rules::opinions(book, request, risk));
    if request.purpose == Purpose::Begin {
        found.extend(budget::opinions(policies, request));
    }
    found.extend(claimed(policies.defaults.claimed, request));
    found.push(autonomy::opinion(book.autonomy, request, risk));
    found
}

/// What the policy says to acting on a cause that no rule shows. What was done on it may always be taken back.
fn claimed(decision: GateDecision, request: &GateRequest<'_>) -> Option<Opinion> {
    let holds = request.incident.claimed && !matches!(request.purpose, Purpose::Undo { .. });
    let reason = "only a model claims the cause, and no rule shows it; see `defaults.claimed` in policies.yml";
    (holds && decision > GateDecision::Run).then(|| Opinion {
        decision,
        rule: rule::CLAIMED.into(),
        reason: reason.into(),
        terms: None,
    })
}

/// What the open freeze windows say to beginning an action. They are dates, and no terms that an incident begins under:
/// whoever lifts one lifts it for what is open, and one that is new holds that back as well.
fn frozen(current: &Rulebook<'_>, request: &GateRequest<'_>) -> Vec<Opinion> {
    if request.purpose != Purpose::Begin {
        return Vec::new();
    }
    freeze::opinions(&current.policies.freeze, &request.binding.environment, request.now)
}

/// What changes nothing is held back by refusing rules alone: an approval for telling people would have to be asked of
/// the people who are not yet told.
fn harmless(book: &Rulebook<'_>, request: &GateRequest<'_>) -> Vec<Opinion> {
    let mut found = rules::opinions(book, request, Risk::ReadOnly);
    found.retain(|opinion| opinion.decision == GateDecision::Refuse);
    found.push(Opinion::run(rule::HARMLESS, "it changes nothing in any environment"));
    found
}

/// The first of the strictest opinions, with the strictest terms of all that ask.
fn strictest(opinions: Vec<Opinion>, books: &[&Rulebook<'_>; 2]) -> Ruling {
    let [current, pinned] = books.map(|book| &book.policies.defaults);
    let mut ruling = Ruling {
        decision: GateDecision::Run,
        rule: String::new(),
        reason: String::new(),
        role: current.role.max(pinned.role),
        quorum: current.quorum.max(pinned.quorum).max(1),
        expires: current.expires.min(pinned.expires),
    };
    for opinion in opinions {
        if let Some((role, quorum)) = opinion.terms {
            ruling.role = ruling.role.max(role);
            ruling.quorum = ruling.quorum.max(quorum);
        }
        if opinion.decision > ruling.decision || ruling.rule.is_empty() {
            ruling.decision = opinion.decision;
            ruling.rule = opinion.rule;
            ruling.reason = opinion.reason;
        }
    }
    ruling
}

/// A question that a person may have answered.
fn settled(request: &GateRequest<'_>, ruling: Ruling) -> Ruling {
    let Some(given) = request.approval else { return ruling };
    match approval::check(given, request, &ruling) {
        Ok(()) => Ruling {
            decision: GateDecision::Run,
            rule: rule::APPROVAL.into(),
            reason: format!("approved by {} ({})", given.decided_by.join(", "), given.id),
            ..ruling
        },
        Err(fault) => {
            Ruling { reason: format!("{}; approval {} does not do: {fault}", ruling.reason, given.id), ..ruling }
        }
    }
}
