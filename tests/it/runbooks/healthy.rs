//! Where there is nothing to find, nothing is claimed.

use super::{Facts, diagnose};
use oncalld::{
    domain::{EnvironmentKind, Verdict},
    plan::RemedyPlan,
};
use serde_json::json;

#[test]
fn a_healthy_service_has_no_fault() {
    for kind in EnvironmentKind::ALL {
        let diagnosis = diagnose(kind, &Facts::healthy(), "ContainerKilled", &[]);
        assert_eq!((diagnosis.verdict, diagnosis.cause()), (Verdict::NoFault, None), "{diagnosis:#?}");
        assert_eq!(diagnosis.remedy, RemedyPlan::None);
    }
}

#[test]
fn d41_a_job_that_has_done_its_work_has_no_fault() {
    let facts = Facts::ended("completed", 0)
        .with("status", json!({"job": true}))
        .with("dependencies", json!({"down": ["db"], "all_ready": false}));
    for kind in EnvironmentKind::ALL {
        let diagnosis = diagnose(kind, &facts, "ContainerAbsent", &[]);
        assert_eq!((diagnosis.verdict, diagnosis.remedy()), (Verdict::NoFault, vec![]), "{diagnosis:#?}");
        assert_eq!(diagnosis.reason, "api is a job and ended with exit code 0: its absence is no fault");
    }
}

#[test]
fn a_job_that_failed_is_not_excused() {
    let facts = Facts::ended("error", 1).with("status", json!({"job": true}));
    let diagnosis = diagnose(EnvironmentKind::Docker, &facts, "ContainerAbsent", &[]);
    assert_eq!(diagnosis.verdict, Verdict::Inconclusive);
}

#[test]
fn what_no_runbook_knows_is_said_to_be_unknown() {
    let facts = Facts::ended("error", 3).log(&["panicked at src/main.rs:7"]);
    let diagnosis = diagnose(EnvironmentKind::Docker, &facts, "ContainerKilled", &[]);
    assert_eq!((diagnosis.verdict, diagnosis.cause()), (Verdict::Inconclusive, None), "{diagnosis:#?}");
    assert!(
        diagnosis.reason.contains("api does not run (state exited, exit code 3, reason error"),
        "{}",
        diagnosis.reason
    );
}

#[test]
fn a_service_that_was_killed_and_is_back_is_well_again() {
    let facts = Facts::healthy().with("status", json!({"exit_reason": "killed", "exit_code": 137, "restart_count": 1}));
    let diagnosis = diagnose(EnvironmentKind::Docker, &facts, "ContainerKilled", &[]);
    assert_eq!((diagnosis.cause(), diagnosis.verdict), (Some("killed_externally"), Verdict::Mitigated));
    assert_eq!(diagnosis.remedy, RemedyPlan::None);
}

#[test]
fn memory_near_its_limit_is_not_called_healthy() {
    let facts = Facts::healthy().with("resources", json!({"memory_percent": 97.0}));
    let diagnosis = diagnose(EnvironmentKind::Docker, &facts, "ContainerHighMemoryUsage", &[]);
    assert_eq!(diagnosis.verdict, Verdict::Inconclusive);
    assert!(diagnosis.reason.contains("uses 97 % of the memory"), "{}", diagnosis.reason);
}
