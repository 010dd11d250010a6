//! What is decided again on a recorded incident. That it is the same by the same rules is checked of every incident of
//! these tests, at its end: see [`unchanged`].

use super::{target::killed, world::World};
use crate::catalog::Runbook;
use crate::config::{Autonomy, Config};
use crate::domain::{Decision, Digest, Event, EventBody, PhaseName, Verdict};
use crate::expr::{Scope, Template};
use crate::flow::replay::{Difference, Replay, Rules, What, has_circumstances, replay};
use serde_json::json;
use std::collections::BTreeMap;

/// Whatever became of an incident, the same would be decided again on what is in its journal.
pub fn unchanged(world: &World) {
    let in_force: BTreeMap<_, _> =
        world.reloaded.iter().map(|config| (config.digest.clone(), config.clone())).collect();
    let rules = Rules::AsThen { pinned: &world.config, in_force: &in_force };
    let again = replay(&world.events, rules).expect("it begins with its opening");
    let parting = again.first.as_ref().map(|first| (first, &world.events[first.seq as usize - 1]));
    assert!(again.is_same(), "{parting:#?} {:#?}", again.differences);
    for (then, now) in world.events.iter().zip(&again.events) {
        assert_eq!(then, now);
    }
    assert_eq!((again.events.len(), &again.incident), (world.events.len(), &world.incident));
}

/// Every incident of these tests can be decided on again.
impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() && !self.bent {
            unchanged(self);
        }
    }
}

impl World {
    /// Another configuration comes into force.
    pub fn reload(&mut self, change: impl FnOnce(&mut Config)) {
        let mut config = self.reloaded.last().unwrap_or(&self.config).clone();
        change(&mut config);
        config.digest = Digest::of(format!("configuration {}", self.reloaded.len()).as_bytes());
        self.reloaded.push(config);
    }
}

/// A killed service that a person let be started again.
fn resolved() -> World {
    let mut world = killed();
    world.settle();
    world.decide(Decision::Approve);
    world.settle();
    assert_eq!(world.incident.verdict, Some(Verdict::Resolved));
    world
}

/// The incident under this configuration with something changed.
fn under(world: &World, change: impl FnOnce(&mut Config)) -> Replay {
    let mut config = world.config.clone();
    change(&mut config);
    let again = replay(&world.events, Rules::With(&config)).unwrap();
    assert!(!again.is_same());
    again
}

fn rule<'a>(config: &'a mut Config, runbook: &str) -> &'a mut Runbook {
    config.catalog.runbooks.iter_mut().find(|known| known.id == runbook).unwrap()
}

fn about(again: &Replay, what: What) -> &Difference {
    again.differences.iter().find(|difference| difference.what == what).unwrap_or_else(|| panic!("{again:#?}"))
}

#[test]
fn a_finding_that_is_no_longer_made_leaves_no_cause_and_no_remedy() {
    let world = resolved();
    let again = under(&world, |config| rule(config, "killed").findings.clear());
    let first = again.first.as_ref().unwrap();
    assert_eq!(world.events[first.seq as usize - 1].body.kind(), "finding_made");
    assert_eq!((again.incident.cause.as_ref(), again.incident.verdict), (None, Some(Verdict::Inconclusive)));
    assert_eq!(about(&again, What::Cause).then.as_deref(), Some("killed_externally"));
    assert_eq!((&about(&again, What::Gate).now, &again.unknown), (&None, &None), "nothing is to be decided on");
}

#[test]
fn words_alone_are_a_difference_that_changes_nothing_else() {
    let world = resolved();
    let again = under(&world, |config| rule(config, "killed").findings[0].confidence = 0.5);
    let [only] = &again.differences[..] else { panic!("{:#?}", again.differences) };
    assert_eq!(only.what, What::Finding);
    assert!(
        only.then.as_ref().unwrap().ends_with("0.92)") && only.now.as_ref().unwrap().ends_with("0.50)"),
        "{only:?}"
    );
    assert_eq!((again.incident.verdict, again.events.len()), (world.incident.verdict, world.events.len()));
}

#[test]
fn what_is_looked_at_only_now_was_not_seen() {
    let world = resolved();
    let again = under(&world, |config| {
        let general = rule(config, "general");
        let mut more = general.steps.iter().find(|step| step.operation == "get_logs").unwrap().clone();
        (more.id, more.phase, more.when) = ("old_logs".into(), PhaseName::Triage, None);
        more.with = Template::compile(&json!({"tail": 7}), &Scope::new()).unwrap();
        general.steps.push(more);
    });
    assert_eq!(again.unseen.len(), 1, "{:?}", again.unseen);
    assert!(again.unseen[0].starts_with("get_logs on api (") && again.unseen[0].ends_with("as old_logs"));
    assert!(about(&again, What::Plan).then.is_none());
    assert_eq!(again.incident.verdict, Some(Verdict::Resolved), "the rest goes on as recorded: {again:#?}");
}

#[test]
fn what_is_refused_now_is_not_done_and_what_came_of_it_does_not_count() {
    let world = resolved();
    let again = under(&world, |config| config.environments.get_mut("local").unwrap().autonomy = Autonomy::Suggest);
    let first = again.first.as_ref().unwrap();
    assert!(first.then.contains("asks people") && first.now.contains("refuses (autonomy)"), "{first:?}");
    assert!(again.events.iter().all(|event| !matches!(event.body, EventBody::CallIntended { .. })));
    assert_eq!(again.incident.verdict, Some(Verdict::Unresolved));
    assert!(again.incident.escalated.is_some() && again.unknown.is_none());
}

#[test]
fn one_more_approver_would_have_been_waited_for() {
    let world = resolved();
    let again = under(&world, |config| config.policies.defaults.quorum = 2);
    assert!(about(&again, What::Approval).now.as_ref().unwrap().starts_with("asks 2 "));
    assert!(again.unknown.as_ref().unwrap().contains("nobody knows what they would say"), "{:?}", again.unknown);
    assert_eq!(again.incident.verdict, None);
}

#[test]
fn what_earlier_versions_recorded_is_decided_again_by_what_is_known() {
    let world = resolved();
    assert!(has_circumstances(&world.events));
    let is_old = |event: &&Event| !matches!(event.body, EventBody::CircumstancesNoted { .. });
    let old: Vec<Event> = world.events.iter().filter(is_old).cloned().collect();
    assert!(!has_circumstances(&old));
    let rules = Rules::AsThen { pinned: &world.config, in_force: &BTreeMap::new() };
    let again = replay(&old, rules).unwrap();
    assert!(again.is_same(), "{again:#?}");
    assert!(replay(&old[1..], rules).is_none(), "it does not begin with its opening");
}
