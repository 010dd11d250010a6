//! What asking models may still take: time, tokens and money.

use super::{Snapshot, storm};
use crate::config::{Agent, Agents};
use crate::domain::{AgentRole, Cost, Digest, Exchange, ExchangeEnd, Incident, Spent, TimeSpan, Timestamp, Usage};

/// An agent as it is asked now. Models, limits and prompts go together, so that all of them are those in force; whoever
/// began without models goes on without.
pub fn agent<'a>(pinned: &Agents, current: &'a Agents, role: AgentRole) -> Option<&'a Agent> {
    let has_models = |agents: &Agents| !agents.agent(role).models.is_empty();
    (has_models(pinned) && has_models(current)).then(|| current.agent(role))
}

/// How much longer an incident may wait for models in its present diagnosis, by the time-out of who asks: what was waited
/// for in vain counts, whoever asked, so that models delay it by no more than the longest time-out, however often they
/// are asked and whatever they say.
pub fn patience(incident: &Incident, agent: &Agent) -> TimeSpan {
    let asked = incident.exchanges.iter().filter(|exchange| exchange.diagnosis == incident.diagnosed_since);
    let in_vain = asked.filter(|exchange| !is_decisive(incident, exchange));
    let lost =
        in_vain.filter_map(|exchange| exchange.end.as_ref()).map(|end| end.milliseconds).fold(0, u64::saturating_add);
    TimeSpan::from_millis(agent.timeout.as_millis().saturating_sub(lost))
}

/// Whether an answer was used, and not only to show more before the same was asked again.
pub(super) fn is_decisive(incident: &Incident, exchange: &Exchange) -> bool {
    let again = |later: &Exchange| later.index > exchange.index && later.is_about_the_same(exchange);
    exchange.settled && exchange.unused.is_none() && !incident.exchanges.iter().any(again)
}

/// Why models are not asked; nothing if they may be.
pub(super) fn in_the_way(incident: &Incident, snapshot: &Snapshot<'_>, role: AgentRole) -> Option<&'static str> {
    let (pinned, current) = (&snapshot.pinned.agents, &snapshot.current.agents);
    let Some(agent) = agent(pinned, current, role) else { return Some("it has no models any more") };
    let (question, own, day) = (current.dearest(agent), spent(incident), snapshot.thought);
    // Whoever lowers a budget means open incidents, too.
    let budgets = [&pinned.budgets, &current.budgets];
    let questions = incident.exchanges.iter().filter(|asked| asked.diagnosis == incident.diagnosed_since);
    if patience(incident, agent).as_millis() == 0 {
        Some("models were waited for in vain for as long as they may be")
    } else if questions.count() >= current.questions as usize {
        Some("this diagnosis has asked as often as it may")
    } else if !budgets.iter().all(|budgets| budgets.incident_has_room(own, question)) {
        Some("the question might cost more than is left of this incident's budget")
    } else if !budgets.iter().all(|budgets| budgets.day_has_room(day, question)) {
        Some("the question might cost more than is left of the day's budget")
    } else if snapshot.alerting.is_storm(&snapshot.current.policies.storm) && !storm::is_storm(incident) {
        Some("in a storm, only its own incident asks")
    } else {
        None
    }
}

/// The answer of an incident to an equal question, for nothing, if one came within so long before now and was used. What
/// another incident was answered is not looked at.
pub fn remembered(incident: &Incident, request: &Digest, now: Timestamp, within: TimeSpan) -> Option<ExchangeEnd> {
    let since = now - within.as_chrono();
    let of_use = |known: &&Exchange| known.settled && known.unused.is_none() && known.began_at >= since;
    let mut before = incident.exchanges.iter().rev().filter(of_use);
    let end = before.find_map(|known| known.end.as_ref().filter(|end| end.request == *request))?;
    Some(ExchangeEnd { usage: Usage::default(), cost: Cost::default(), ..end.clone() })
}

/// What models cost an incident, or may: a question counts as dear as it can be until it has ended.
fn spent(incident: &Incident) -> Spent {
    let thought = Spent { tokens: incident.thought.usage.total(), money: incident.thought.cost };
    let under_way = incident.exchanges.iter().filter(|exchange| exchange.end.is_none() && !exchange.settled);
    under_way.map(|exchange| exchange.reserved).chain([thought]).sum()
}

/// What a question of an agent may cost.
pub(super) fn reserved(snapshot: &Snapshot<'_>, role: AgentRole) -> Spent {
    let agents = &snapshot.current.agents;
    agents.dearest(agents.agent(role))
}
