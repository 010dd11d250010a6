//! `process.health`.

use super::{
    ProcessEnvironment,
    service::Managed,
    snapshot::{Snapshot, instances},
};
use crate::{
    domain::{TimeSpan, Values},
    execute::{
        ExecuteError,
        probe::{Answer, health},
    },
};
use std::sync::Arc;

impl ProcessEnvironment {
    pub(super) async fn health(
        &self,
        call: &str,
        managed: &Arc<Managed>,
        endpoint: Option<&str>,
        timeout: TimeSpan,
    ) -> Result<Values, ExecuteError> {
        // Only what is declared is ever contacted, whatever the call says.
        if let Some(endpoint) = endpoint.filter(|endpoint| managed.declared.health.as_deref() != Some(*endpoint)) {
            let problem = format!("'{endpoint}' is not the declared health endpoint of {}", managed.name);
            return Err(ExecuteError::permanent(call, problem));
        }
        let streak = managed.observed().failing_streak;
        if let Some(endpoint) = &managed.declared.health {
            let answer = self.inner.prober.probe(endpoint, timeout).await;
            managed.observed().looked(&answer);
            let streak = if answer.healthy { 0 } else { streak.max(1) };
            return Ok(health("endpoint", endpoint, &answer, streak));
        }
        let instances = instances(call, managed).await?;
        let down = instances.iter().find(|instance| !instance.running());
        let job_done = |instance: &Snapshot| managed.declared.job && instance.state.exit_code == Some(0);
        let error = match down {
            Some(instance) if !job_done(instance) => format!("{} is {}", instance.name, instance.state_name()),
            Some(_) => String::new(),
            None if instances.is_empty() => format!("{} has no instances", managed.name),
            None => String::new(),
        };
        let answer = Answer { healthy: error.is_empty(), error, ..Answer::default() };
        Ok(health("process", "", &answer, streak))
    }
}
