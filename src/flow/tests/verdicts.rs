//! What an incident may claim at its end.

use super::{target::killed, world::World};
use crate::domain::{AlertStatus, Decision, IncidentState, Verdict};
use crate::flow::{Effect, Next};
use serde_json::json;

#[test]
fn what_only_runs_after_its_alerts_are_over_is_mitigated() {
    for (source, verdict) in [("process", Verdict::Mitigated), ("endpoint", Verdict::Resolved)] {
        let mut world: World = killed();
        world.settle();
        world.facts.insert("get_status", json!({"state": "running", "running": true, "ready": true}));
        world.facts.insert("check_health", json!({"healthy": true, "source": source}));
        world.report(AlertStatus::Resolved);
        world.settle();
        assert_eq!(world.incident.verdict, Some(verdict), "{source}");
        assert_eq!(world.incident.state, IncidentState::Closed);
    }
}

#[test]
fn alerts_that_end_while_a_remedy_is_checked_leave_the_verdict_to_the_check() {
    let mut world = killed();
    world.settle();
    world.decide(Decision::Approve);
    loop {
        match world.next() {
            Next::Append(events) => world.append(events),
            Next::Wait { effects, .. } if effects.iter().any(|effect| matches!(effect, Effect::Verify { .. })) => break,
            Next::Wait { effects, .. } => effects.iter().for_each(|effect| world.settle_one(effect)),
        }
    }
    world.report(AlertStatus::Resolved);
    // A look alone would only see that it runs.
    world.facts.insert("check_health", json!({"healthy": true, "source": "process"}));
    world.settle();
    assert_eq!(
        world.incident.verdict,
        Some(Verdict::Resolved),
        "{}: {:?}",
        world.incident.verdict_reason,
        world.kinds()
    );
}
