//! An instance at one moment: what its shim wrote down, against what `/proc` says now.

use super::service::{Managed, blocking};
use crate::{
    domain::{ExitReason, Timestamp},
    execute::ExecuteError,
    shim::{InstanceFolder, Order, ProcessRef, RunState, State, proc},
};
use chrono::Utc;
use std::{io, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};

/// A restarted instance that has been up for less than this is still taken for one that crashes again and again.
const CRASH_LOOP_UPTIME: i64 = 60;

/// How long a shim may take to write down that its program has ended, on a machine that has much else to do. One that
/// adopted it looks ten times a second.
const NOTICED: Duration = Duration::from_secs(5);

/// How often to look whether it has.
const POLL: Duration = Duration::from_millis(20);

/// All instances of a service, none of them in between two states.
pub(super) async fn instances(call: &str, managed: &Arc<Managed>) -> Result<Vec<Snapshot>, ExecuteError> {
    let deadline = Instant::now() + NOTICED;
    loop {
        let all = blocking(call, managed, Snapshot::all).await?;
        if Instant::now() >= deadline || !all.iter().any(Snapshot::in_between) {
            return Ok(all);
        }
        sleep(POLL).await;
    }
}

/// One instance.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    pub(super) n: u32,
    pub(super) name: String,
    pub(super) folder: InstanceFolder,
    pub(super) order: Order,
    pub(super) state: State,
    /// Whether a shim ever wrote anything.
    pub(super) known: bool,
    /// Its main process, if it lives.
    pub(super) main: Option<proc::Stat>,
    pub(super) shim_alive: bool,
}

impl Snapshot {
    pub(super) fn take(managed: &Managed, n: u32, folder: InstanceFolder) -> io::Result<Self> {
        let state = folder.state()?;
        let known = state.is_some();
        let state = state.unwrap_or_default();
        let alive = |process: &Option<ProcessRef>| process.as_ref().and_then(ProcessRef::alive);
        Ok(Self {
            n,
            name: managed.instance_name(n),
            order: folder.order()?.unwrap_or_default(),
            main: alive(&state.program),
            shim_alive: alive(&state.shim).is_some(),
            state,
            known,
            folder,
        })
    }

    /// All instances of a service.
    pub(super) fn all(managed: &Managed) -> io::Result<Vec<Self>> {
        managed.instances()?.into_iter().map(|(n, folder)| Self::take(managed, n, folder)).collect()
    }

    /// Its program has ended, and its shim is about to write down how.
    fn in_between(&self) -> bool {
        self.shim_alive && self.main.is_none() && matches!(self.state.status, RunState::Running | RunState::Starting)
    }

    /// As in results: running, exited, created, paused, restarting, missing.
    pub(super) fn state_name(&self) -> &'static str {
        match (&self.main, self.state.status) {
            (Some(stat), _) if stat.state == 'T' => "paused",
            (Some(_), _) => "running",
            _ if !self.known => "missing",
            (None, RunState::Restarting) if self.shim_alive => "restarting",
            (None, RunState::Starting) if self.shim_alive => "restarting",
            (None, RunState::Created) => "created",
            (None, _) => "exited",
        }
    }

    pub(super) fn running(&self) -> bool {
        self.state_name() == "running"
    }

    pub(super) fn paused(&self) -> bool {
        self.state_name() == "paused"
    }

    pub(super) fn started_at(&self) -> Option<Timestamp> {
        self.state.started_at
    }

    pub(super) fn crash_looping(&self) -> bool {
        let young = self.state.started_at.is_some_and(|at| (Utc::now() - at).num_seconds() < CRASH_LOOP_UPTIME);
        self.state_name() == "restarting" || (self.running() && self.state.restarts > 0 && young)
    }

    /// Why the last run ended. One whose shim was killed with it left no word.
    pub(super) fn exit_reason(&self) -> ExitReason {
        if self.died_unseen() { ExitReason::Killed } else { self.state.exit_reason }
    }

    /// The code of the last run that ended.
    pub(super) fn exit_code(&self) -> Option<i32> {
        self.state.exit_code.filter(|_| !self.died_unseen())
    }

    fn died_unseen(&self) -> bool {
        self.main.is_none() && self.state.status == RunState::Running && !self.shim_alive
    }

    /// Every process of the instance.
    pub(super) fn processes(&self) -> Vec<proc::Stat> {
        let Some(main) = &self.main else { return Vec::new() };
        // Children that outlived their parent belong to the shim, which is their reaper.
        let root = self.state.shim.as_ref().filter(|_| self.shim_alive).map_or(main.pid, |shim| shim.pid);
        let mut found = proc::tree(root);
        found.retain(|stat| stat.pid != root || root == main.pid);
        if !found.iter().any(|stat| stat.pid == main.pid) {
            found.extend(proc::tree(main.pid)); // adopted: no child of this shim
        }
        found
    }
}

impl Snapshot {
    /// What stands for the instances of a service that has none.
    pub(super) fn nobody(managed: &Managed) -> Self {
        Self {
            n: 0,
            name: managed.name.clone(),
            folder: managed.folder.instance(0),
            order: Order::default(),
            state: State::default(),
            known: false,
            main: None,
            shim_alive: false,
        }
    }
}
