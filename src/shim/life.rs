//! Starting the program and stopping it.

use super::{
    LifeEvent, MARKER, ProcessRef, RunState, Want, proc, program,
    program::Circumstances,
    watch::{FIRST_BACKOFF, Main, Watcher, now},
};
use crate::domain::ExitReason;
use rustix::process::Signal;
use std::time::Duration;
use tokio::{process::Child, time::Instant};

/// How long the program may take to end when the shim is told to end, as by a machine that shuts down.
const LAST_GRACE: Duration = Duration::from_secs(5);

/// How long after a SIGKILL the next one is sent, to what was just forking.
const KILL_AGAIN: Duration = Duration::from_secs(1);

impl Watcher {
    pub(super) fn start(&mut self, by_policy: bool) {
        self.restart_at = None;
        self.state.status = RunState::Starting;
        self.state.program = None;
        self.save();
        // What a killed shim started, and nobody wrote down, would be a double now.
        for stray in proc::with_variable(MARKER, &self.folder.path().to_string_lossy()) {
            proc::send(stray, Signal::KILL);
        }
        if by_policy {
            self.state.restarts += 1;
        } else {
            if self.circumstances.stopping {
                self.record(LifeEvent::now("restart", []));
            }
            self.state.run = self.order.run;
            self.state.restarts = 0;
            self.state.memory_peak = 0;
            self.backoff = FIRST_BACKOFF;
        }
        self.circumstances = Circumstances::default();
        self.state.config = Some(self.launch.digest());
        match program::spawn(&self.launch, &self.folder) {
            Ok(child) => self.has_started(child),
            Err(failure) => self.has_not_started(failure),
        }
        self.settle()
    }

    pub(super) fn has_started(&mut self, child: Child) {
        self.state.program = child.id().and_then(|pid| ProcessRef::of(pid as i32));
        self.state.status = RunState::Running;
        self.state.started_at = Some(now());
        self.main = Main::Child(child);
        self.record(LifeEvent::now("start", []));
        if self.order.want == Want::Paused {
            self.freeze_or_thaw()
        }
    }

    pub(super) fn has_not_started(&mut self, failure: program::StartFailure) {
        self.state.status = RunState::Created;
        self.state.exit_code = Some(failure.exit_code);
        self.state.exit_reason = ExitReason::StartFailed;
        self.state.start_error = failure.error;
        self.state.error = failure.problem;
        self.state.finished_at = Some(now());
        let code = failure.exit_code.to_string();
        self.record(LifeEvent::now("die", [("exit_code", code), ("reason", ExitReason::StartFailed.as_str().into())]))
    }

    pub(super) fn stop(&mut self, grace: Duration) {
        if self.stopping.is_some() {
            return; // what comes after it is read from the order when it has ended
        }
        self.circumstances.stopping = true;
        if grace.is_zero() {
            return self.kill_all();
        }
        self.stopping = Some(Instant::now() + grace);
        self.record(LifeEvent::now("kill", [("signal", "15".into()), ("by", "oncalld".into())]));
        if let Some(program) = &self.state.program {
            program.signal(Signal::TERM);
            program.signal(Signal::CONT); // a frozen program cannot hear
        }
    }

    pub(super) fn out_of_grace(&mut self) {
        self.circumstances.out_of_grace = !self.circumstances.killed;
        self.kill_all();
    }

    pub(super) fn kill_all(&mut self) {
        self.circumstances.killed = true;
        self.record(LifeEvent::now("kill", [("signal", "9".into()), ("by", "oncalld".into())]));
        self.signal_all(Signal::KILL);
        self.stopping = Some(Instant::now() + KILL_AGAIN);
    }

    pub(super) fn leave(&mut self) {
        self.leaving = true;
        self.restart_at = None;
        if !matches!(self.main, Main::None) {
            self.stop(LAST_GRACE);
        }
    }
}
