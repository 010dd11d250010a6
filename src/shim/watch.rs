//! The loop of the shim: it sees to it that what is, is what the order says.

use super::{
    InstanceFolder, LifeEvent, Order, ProcessRef, RunState, State, Want, events,
    log::Pump,
    program::{self, Circumstances},
};
use crate::domain::Timestamp;
use chrono::Utc;
use rustix::process::Signal;
use std::{
    io,
    path::Path,
    process::{ExitCode, ExitStatus},
    time::Duration,
};
use tokio::{
    process::Child,
    signal::unix::{SignalKind, signal},
    time::{Instant, MissedTickBehavior, interval},
};

/// How often memory, deadlines and an adopted program are looked at. A leak of 1 GiB/s overshoots by 100 MiB.
const TICK: Duration = Duration::from_millis(100);

/// Every how many ticks to look at what can wait: the order file, and memory where there is no limit.
const SELDOM: u32 = 10;

/// The first pause before a restart; each further one takes twice as long, up to [`LONGEST_BACKOFF`].
pub(super) const FIRST_BACKOFF: Duration = Duration::from_millis(100);

/// No restart waits longer than this.
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);

/// A program that ran this long has started well: the next restart is quick again.
const STARTED_WELL: Duration = Duration::from_secs(10);

/// Watches over the instance in `folder` until its program has ended for good.
pub fn run(folder: &Path) -> ExitCode {
    match watch(folder) {
        Ok(()) => ExitCode::SUCCESS,
        // Another shim is at work: that is all that was wanted.
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("oncalld shim: {}: {error}", folder.display());
            ExitCode::FAILURE
        }
    }
}

fn watch(folder: &Path) -> io::Result<()> {
    // Out of the daemon's session, so that a Ctrl-C meant for it does not end the services.
    let _ = rustix::process::setsid(); // fails for a leader of a group, who is out of it already
    // Orphans of the program come to the shim, so that nothing of a service escapes it.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    // A core of a leaking program could fill the disk.
    let no_core = rustix::process::Rlimit { current: Some(0), maximum: Some(0) };
    rustix::process::setrlimit(rustix::process::Resource::Core, no_core)?;

    let folder = InstanceFolder::at(folder.canonicalize()?);
    let _lock = folder.lock()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async { Watcher::new(folder)?.run().await })
}

/// The program, if there is one.
pub(super) enum Main {
    None,
    /// Started by this shim.
    Child(Child),
    /// Started by a shim that was killed: its end can be seen, but not how.
    Adopted(ProcessRef),
}

impl Main {
    async fn ended(&mut self) -> Option<ExitStatus> {
        match self {
            Self::Child(child) => child.wait().await.ok(),
            Self::None | Self::Adopted(_) => std::future::pending().await,
        }
    }
}

pub(super) struct Watcher {
    pub(super) folder: InstanceFolder,
    pub(super) launch: super::Launch,
    pub(super) order: Order,
    pub(super) state: State,
    pub(super) main: Main,
    pub(super) pump: Pump,
    /// The program is being stopped, and is killed at this time.
    pub(super) stopping: Option<Instant>,
    /// What happened to the present program so far.
    pub(super) circumstances: Circumstances,
    pub(super) restart_at: Option<Instant>,
    pub(super) backoff: Duration,
    /// The shim was told to end, and takes its program along.
    pub(super) leaving: bool,
    pub(super) ticks: u32,
    /// What was last complained about.
    pub(super) complaint: String,
}

impl Watcher {
    fn new(folder: InstanceFolder) -> io::Result<Self> {
        let launch = folder.service().launch()?.unwrap_or_default();
        let log = launch.log_file.clone().unwrap_or_else(|| folder.log());
        let pump = Pump::open(super::STREAMS.map(|stream| folder.pipe(stream)), log)?;
        // A state that cannot be read is that of a machine that lost its power: nothing of it runs any more.
        let state = folder.state().ok().flatten().unwrap_or_default();
        Ok(Self {
            order: folder.order()?.unwrap_or_default(),
            launch,
            state,
            main: Main::None,
            pump,
            stopping: None,
            circumstances: Circumstances::default(),
            restart_at: None,
            backoff: FIRST_BACKOFF,
            leaving: false,
            ticks: 0,
            complaint: String::new(),
            folder,
        })
    }

    async fn run(&mut self) -> io::Result<()> {
        let mut look_at_order = signal(SignalKind::hangup())?;
        let mut leave = signal(SignalKind::terminate())?;
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // From here on the daemon may send signals: it learns the pid from the state.
        self.state.shim = ProcessRef::of(rustix::process::getpid().as_raw_nonzero().get());
        self.recover();
        self.obey();
        while !self.finished() {
            tokio::select! {
                _ = look_at_order.recv() => self.obey(),
                _ = leave.recv() => self.leave(),
                status = self.main.ended() => self.ended(status),
                _ = tick.tick() => self.look(),
                () = self.pump.readable() => { self.pump.carry(); }
            }
        }
        self.state.shim = None;
        self.save();
        Ok(())
    }

    /// Takes over what a shim that was killed has left.
    fn recover(&mut self) {
        match (&self.state.program, self.state.status) {
            (Some(program), RunState::Running) if program.alive().is_some() => {
                self.main = Main::Adopted(program.clone());
            }
            (_, RunState::Running | RunState::Starting) => return self.ended(None),
            (_, RunState::Restarting) => self.restart_at = Some(Instant::now()),
            (_, RunState::Created | RunState::Exited) => {}
        }
        self.save()
    }

    /// Reads the order and the configuration, and does what is new.
    fn obey(&mut self) {
        match self.folder.service().launch() {
            Ok(Some(launch)) => {
                self.pump.set_path(launch.log_file.clone().unwrap_or_else(|| self.folder.log()));
                self.launch = launch;
            }
            Ok(None) => {}
            Err(error) => self.complain(&error),
        }
        match self.folder.order() {
            Ok(order) => self.order = order.unwrap_or_default(),
            Err(error) => self.complain(&error),
        }
        if self.order.generation <= self.state.generation || self.leaving {
            return;
        }
        let alive = !matches!(self.main, Main::None);
        let grace = Duration::from_millis(self.order.grace_ms);
        match self.order.want {
            Want::Stopped if alive => self.stop(grace),
            Want::Stopped => {
                self.restart_at = None;
                if self.state.status == RunState::Restarting {
                    self.state.status = RunState::Exited;
                }
                self.settle()
            }
            Want::Running | Want::Paused if self.order.run > self.state.run && alive => self.stop(grace),
            Want::Running | Want::Paused if self.order.run > self.state.run => self.start(false),
            Want::Running | Want::Paused => {
                self.freeze_or_thaw();
                self.settle()
            }
        }
    }

    pub(super) fn freeze_or_thaw(&mut self) {
        let frozen = self.state.program.as_ref().and_then(ProcessRef::alive).is_some_and(|stat| stat.state == 'T');
        let pause = self.order.want == Want::Paused;
        if matches!(self.main, Main::None) || frozen == pause {
            return;
        }
        self.signal_all(if pause { Signal::STOP } else { Signal::CONT });
        self.record(LifeEvent::now(if pause { "pause" } else { "unpause" }, []))
    }

    /// The program has ended, one way or the other.
    fn ended(&mut self, status: Option<ExitStatus>) {
        self.kill_strays();
        self.pump.finish();
        self.main = Main::None;
        self.stopping = None;
        let uptime = self.state.started_at.map(|started| (Utc::now() - started).to_std().unwrap_or_default());
        self.circumstances.uptime = uptime.unwrap_or_default();
        let ending = program::ending(status, self.circumstances);
        let mut event = LifeEvent::now("die", [("reason", ending.reason.as_str().to_owned())]);
        event.attributes.extend(ending.code.map(|code| ("exit_code".into(), code.to_string())));
        event.attributes.extend(ending.signal.map(|signal| ("signal".into(), signal.to_string())));
        self.record(event);
        self.state.program = None;
        self.state.status = RunState::Exited;
        self.state.finished_at = Some(now());
        self.state.exit_code = ending.code;
        self.state.exit_reason = ending.reason;
        self.state.start_error = ending.error_kind;
        self.state.error = ending.error;
        self.what_next()
    }

    fn what_next(&mut self) {
        if self.leaving {
            return self.save();
        }
        if self.order.want == Want::Stopped {
            self.record(LifeEvent::now("stop", []));
            return self.settle();
        }
        if self.order.run > self.state.run {
            return self.start(false);
        }
        if self.circumstances.uptime > STARTED_WELL {
            self.backoff = FIRST_BACKOFF;
        }
        if self.launch.restarts(self.state.exit_code == Some(0), self.state.restarts) {
            self.state.status = RunState::Restarting;
            self.restart_at = Some(Instant::now() + self.backoff);
            self.backoff = (self.backoff * 2).min(LONGEST_BACKOFF);
        }
        self.settle()
    }

    /// What has to be looked at again and again.
    fn look(&mut self) {
        self.ticks = self.ticks.wrapping_add(1);
        if matches!(&self.main, Main::Adopted(program) if program.alive().is_none()) {
            return self.ended(None);
        }
        if self.stopping.is_some_and(|deadline| Instant::now() >= deadline) {
            self.out_of_grace();
        }
        if self.restart_at.is_some_and(|at| Instant::now() >= at) {
            return self.start(true);
        }
        let seldom = self.ticks.is_multiple_of(SELDOM);
        if self.launch.memory.is_some() || seldom {
            self.watch_memory();
        }
        if seldom {
            self.obey()
        }
    }

    pub(super) fn settle(&mut self) {
        self.state.generation = self.order.generation;
        self.save()
    }

    pub(super) fn save(&mut self) {
        if let Err(error) = self.folder.set_state(&self.state) {
            self.complain(&error);
        }
    }

    pub(super) fn record(&mut self, event: LifeEvent) {
        if let Err(error) = events::append(&self.folder.events(), &event) {
            self.complain(&error);
        }
    }

    /// A full disk must end neither the shim nor its program; it is said once.
    fn complain(&mut self, error: &io::Error) {
        let complaint = error.to_string();
        if complaint != self.complaint {
            eprintln!("oncalld shim: {complaint}");
            self.complaint = complaint;
        }
    }

    /// Whether there is nothing left to do. The order is read again first: it may have come just now.
    fn finished(&mut self) -> bool {
        let idle = |watcher: &Self| matches!(watcher.main, Main::None) && watcher.restart_at.is_none();
        if idle(self) && !self.leaving {
            self.obey();
        }
        idle(self)
    }
}

pub(super) fn now() -> Timestamp {
    Utc::now()
}
