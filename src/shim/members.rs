//! The processes of an instance: how much memory they use, and signals to all of them.

use super::{
    LifeEvent, MARKER, proc,
    watch::{Main, Watcher},
};
use rustix::process::Signal;

/// A kill takes effect within a few of these; what needs more is stuck in the kernel, and dies when that lets it go.
const MOST_ROUNDS: usize = 100;

impl Watcher {
    pub(super) fn watch_memory(&mut self) {
        let members = self.members();
        let me = rustix::process::getpid().as_raw_nonzero().get();
        let main = self.state.program.as_ref().map(|program| program.pid);
        for orphan in members.iter().filter(|stat| stat.state == 'Z' && stat.parent == me && Some(stat.pid) != main) {
            let _ = rustix::process::waitpid(
                rustix::process::Pid::from_raw(orphan.pid),
                rustix::process::WaitOptions::NOHANG,
            );
        }
        let resident = members.iter().map(|stat| stat.resident).sum::<u64>();
        // Written down when it has grown by a tenth, not at each sample.
        if resident > self.state.memory_peak + self.state.memory_peak / 10 {
            self.state.memory_peak = resident;
            self.save();
        }
        let Some(limit) = self.launch.memory.filter(|limit| resident > *limit) else { return };
        if self.circumstances.oom || matches!(self.main, Main::None) {
            return;
        }
        self.circumstances.oom = true;
        self.state.ooms += 1;
        self.state.memory_peak = self.state.memory_peak.max(resident);
        self.signal_all(Signal::KILL);
        self.record(LifeEvent::now("oom", [("memory", resident.to_string()), ("limit", limit.to_string())]));
        self.save()
    }

    /// All processes of the instance.
    pub(super) fn members(&self) -> Vec<proc::Stat> {
        let me = rustix::process::getpid().as_raw_nonzero().get();
        let mut members: Vec<_> = proc::tree(me).into_iter().filter(|stat| stat.pid != me).collect();
        if let Main::Adopted(program) = &self.main {
            members.extend(proc::tree(program.pid));
        }
        members
    }

    pub(super) fn signal_all(&self, signal: Signal) {
        for member in self.members() {
            proc::send(member.pid, signal);
        }
    }

    /// Ends what the main process has left behind, until nothing is left, for it may be forking.
    pub(super) fn kill_strays(&self) {
        for _ in 0..MOST_ROUNDS {
            let mut strays: Vec<i32> = self
                .members()
                .into_iter()
                .filter(|stat| !matches!(stat.state, 'Z' | 'X'))
                .map(|stat| stat.pid)
                .collect();
            if !matches!(self.main, Main::Child(_)) {
                // Orphans of an adopted program are not this shim's: the mark tells them.
                strays.extend(proc::with_variable(MARKER, &self.folder.path().to_string_lossy()));
            }
            if strays.is_empty() {
                return;
            }
            for stray in strays {
                proc::send(stray, Signal::KILL);
            }
            std::thread::yield_now();
        }
    }
}
