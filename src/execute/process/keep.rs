//! What is looked at again and again while the daemon runs.

use super::{
    ProcessEnvironment, effective,
    service::{Managed, blocking},
    snapshot::Snapshot,
};
use crate::{domain::TimeSpan, shim::control::adopt};
use futures_util::future::join_all;
use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::{MissedTickBehavior, interval};

/// How often each service is looked at.
const EVERY: Duration = Duration::from_secs(5);

/// How long a health endpoint may take here.
const PROBE: TimeSpan = TimeSpan::from_secs(2);

/// A configuration is called good when the service has been ready this long with it.
const GOOD_AFTER: Duration = Duration::from_secs(15);

/// Keeps an environment in order; runs as long as the daemon does.
#[derive(Debug)]
pub struct ProcessTask {
    environment: ProcessEnvironment,
}

impl ProcessTask {
    pub(super) fn of(environment: ProcessEnvironment) -> Self {
        Self { environment }
    }

    /// Runs for ever. Ending it ends no service.
    pub async fn run(self) {
        let mut tick = interval(EVERY);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            join_all(self.environment.inner.services.values().map(|managed| self.look(managed))).await;
        }
    }

    async fn look(&self, managed: &Arc<Managed>) {
        let result = self.look_at(managed).await;
        if let Err(error) = result {
            tracing::warn!(service = managed.name, %error, "the service cannot be looked after");
        }
    }

    async fn look_at(&self, managed: &Arc<Managed>) -> io::Result<()> {
        let config = &self.environment.inner.config;
        let (instances, launch) = blocking("process.status", managed, |managed| {
            effective::note_changes(managed)?;
            Ok((Snapshot::all(managed)?, managed.launch()?))
        })
        .await
        .map_err(io::Error::other)?;
        for instance in &instances {
            if adopt(&config.shim, &instance.folder)? {
                tracing::warn!(
                    service = managed.name,
                    instance = instance.name,
                    "its shim was killed; it gets another one"
                );
            }
        }
        let running = !instances.is_empty() && instances.iter().all(Snapshot::running);
        let healthy = match &managed.declared.health {
            Some(endpoint) if running => {
                let answer = self.environment.inner.prober.probe(endpoint, PROBE).await;
                managed.observed().looked(&answer);
                answer.healthy
            }
            _ => running,
        };
        let present = instances.iter().all(|instance| instance.state.config.as_ref() == Some(&launch.digest()));
        if self.observe(managed, healthy, present) {
            effective::record_last_good(config, managed, launch).await?;
            managed.observed().recorded = true;
        }
        Ok(())
    }

    /// Counts; says whether the present configuration is to be recorded as good.
    fn observe(&self, managed: &Managed, healthy: bool, present: bool) -> bool {
        let mut observed = managed.observed();
        if !healthy || !present {
            observed.failing_streak = if healthy { 0 } else { observed.failing_streak + 1 };
            observed.ready_since = None;
            observed.recorded = false;
            return false;
        }
        observed.failing_streak = 0;
        let since = *observed.ready_since.get_or_insert_with(Instant::now);
        since.elapsed() >= GOOD_AFTER && !observed.recorded
    }
}
