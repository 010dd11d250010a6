//! A remedy as people carry it out.

use crate::domain::{Incident, Step, StepRecord, clean_text};
use crate::flow::settle::resolution;

/// The longest description of a step that is told.
const MAX_WORDS: usize = 1_000;

/// What is left to do of the current remedy, one line for each command or step, in order. Steps that were done are left
/// out: doing them again is not always harmless.
pub(super) fn by_hand(incident: &Incident) -> String {
    let left = resolution(incident).into_iter().filter(|record| !record.status.is_final());
    left.map(told).collect::<Vec<_>>().join("\n")
}

/// The commands of a step that is prepared; only what it is meant to do is known of one that is not.
fn told(record: &StepRecord) -> String {
    match &record.action {
        Some(action) if !action.commands.is_empty() => action.commands.join("\n"),
        _ => in_words(&record.step),
    }
}

fn in_words(step: &Step) -> String {
    let place = if step.target.is_empty() { "the environment" } else { &step.target };
    let given = step.arguments.iter().filter(|(_, value)| !value.is_null());
    let arguments: Vec<String> = given.map(|(name, value)| format!("{name}={value}")).collect();
    let arguments = if arguments.is_empty() { String::new() } else { format!(" ({})", arguments.join(", ")) };
    clean_text(&format!("{} on {place}{arguments}", step.operation), MAX_WORDS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{StepId, StepRole, TimeSpan};
    use serde_json::json;

    fn step(target: &str, arguments: serde_json::Value) -> Step {
        Step {
            id: StepId::new("inc_test.r1.2"),
            name: "update_resources".into(),
            operation: "update_resources".into(),
            target: target.into(),
            arguments: arguments.as_object().unwrap().clone(),
            reason: String::new(),
            role: StepRole::Diagnose,
            timeout: TimeSpan::from_secs(1),
            expects: None,
        }
    }

    #[test]
    fn a_step_in_words_has_its_target_and_what_it_is_given() {
        let given = step("api", json!({"cpus": null, "from": "last good", "memory": 33_554_432}));
        assert_eq!(in_words(&given), r#"update_resources on api (from="last good", memory=33554432)"#);
        assert_eq!(in_words(&step("", json!({}))), "update_resources on the environment");
    }

    #[test]
    fn the_words_for_a_step_have_an_end() {
        let long = step("api", json!({"command": "x".repeat(10 * MAX_WORDS)}));
        assert_eq!(in_words(&long).chars().count(), MAX_WORDS + 1);
    }
}
