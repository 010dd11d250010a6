//! Why a container ended, told from the engine's events rather than from flags that lie.
//!
//! `OOMKilled` stays set after a child's end, and 137 is the code of every SIGKILL. What tells them apart is what
//! happened around the end: an `oom` event just before it, a `kill` by somebody's hand, a `stop` whose patience ran out.

use super::dialect::Dialect;
use crate::domain::{ExitReason, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One life-cycle event of a container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct LifeEvent {
    /// When.
    pub at: Timestamp,
    /// `start`, `die`, `oom`, `kill`, `stop`, `restart`, `pause`, ….
    pub action: String,
    /// Those attributes that say something: `signal`, `exitCode`, `name`, ….
    pub attributes: BTreeMap<String, String>,
}

impl LifeEvent {
    fn signal(&self) -> Option<u8> {
        if self.action != "kill" {
            return None;
        }
        let text = self.attributes.get("signal").map_or("", String::as_str);
        Some(match text.trim_start_matches("SIG") {
            "KILL" => 9,
            "TERM" => 15,
            "INT" => 2,
            other => other.parse().unwrap_or(0),
        })
    }

    /// The code with which it ended, for a `die`.
    pub fn exit_code(&self) -> Option<i64> {
        self.attributes.get("exitCode").or_else(|| self.attributes.get("containerExitCode"))?.parse().ok()
    }
}

/// An `oom` event belongs to an end that follows it within this; a child's end may have been long before.
const OOM_BEFORE_END: i64 = 5;

/// The kernel's report and the engine's may swap: an `oom` shortly after the end still explains it.
const OOM_AFTER_END: i64 = 2;

/// Where events do not tell a signal, a `kill` explains an end that follows it within this.
const KILL_BEFORE_END: i64 = 10;

/// The end of one run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Death {
    /// When.
    pub at: Timestamp,
    /// With which code.
    pub exit_code: i64,
    /// Why.
    pub reason: ExitReason,
    /// Several reasons would look like this.
    pub uncertain: bool,
}

/// All ends among the events, which are in order of time.
pub(super) fn deaths(events: &[LifeEvent], dialect: Dialect) -> Vec<Death> {
    let ends = events.iter().enumerate().filter(|(_, event)| event.action == "die");
    ends.map(|(index, end)| {
        let begin = events[..index].iter().rposition(|event| event.action == "start").map_or(0, |start| start + 1);
        let next = events[index + 1..].iter().position(|event| event.action == "start");
        let until = next.map_or(events.len(), |offset| index + 1 + offset);
        let exit_code = end.exit_code().unwrap_or(0);
        let (reason, uncertain) = if dialect.tells_ends() {
            (reason(end.at, exit_code, &events[begin..index], &events[begin..until]), false)
        } else {
            likely_reason(end.at, exit_code, &events[begin..index], &events[begin..until])
        };
        Death { at: end.at, exit_code, reason, uncertain }
    })
    .collect()
}

/// The reason where events tell nothing of shortages of memory and not of every stop, and whether it is one of several.
/// A `restart` is told before the end that it brings about.
fn likely_reason(end: Timestamp, exit_code: i64, before: &[LifeEvent], run: &[LifeEvent]) -> (ExitReason, bool) {
    let stopped =
        before.iter().any(|event| event.action == "restart") || run.iter().any(|event| event.action == "stop");
    let killed = before.iter().any(|event| event.action == "kill" && (end - event.at).num_seconds() <= KILL_BEFORE_END);
    match exit_code {
        137 if stopped => (ExitReason::StopTimeout, false),
        _ if stopped => (ExitReason::Stopped, false),
        129.. if killed => (ExitReason::Killed, false),
        0 => (ExitReason::Completed, false),
        129 | 130 | 137 | 143 => (ExitReason::Error, true),
        _ => (ExitReason::Error, false),
    }
}

/// `before`: this run's events up to its end; `run`: with those up to the next start.
fn reason(end: Timestamp, exit_code: i64, before: &[LifeEvent], run: &[LifeEvent]) -> ExitReason {
    let stopped = run.iter().any(|event| event.action == "stop");
    let force = before.iter().rposition(|event| event.signal() == Some(9));
    let gentle = before.iter().position(|event| event.signal().is_some_and(|signal| signal != 9));
    let starved = run.iter().any(|event| {
        let gap = (end - event.at).num_milliseconds();
        event.action == "oom" && (-OOM_AFTER_END * 1_000..=OOM_BEFORE_END * 1_000).contains(&gap)
    });
    let signalled = exit_code > 128
        && before.iter().any(|event| event.signal().is_some_and(|signal| i64::from(signal) + 128 == exit_code));
    match exit_code {
        // A grace period that ran out, by `docker stop` or by an engine that shut down: both signal gently first.
        137 if force.is_some() && (stopped || gentle.is_some()) => ExitReason::StopTimeout,
        137 if force.is_some() => ExitReason::Killed,
        _ if stopped && !(exit_code == 137 && starved) => ExitReason::Stopped,
        137 if starved => ExitReason::Oom,
        _ if exit_code != 0 && starved => ExitReason::OomChild,
        137 => ExitReason::Killed,
        _ if signalled => ExitReason::Killed,
        0 => ExitReason::Completed,
        // Hang-up, interrupt, terminate: somebody's signal that did not come through the engine.
        129 | 130 | 143 => ExitReason::Killed,
        _ => ExitReason::Error,
    }
}

/// What the engine says of a container now.
#[derive(Clone, Debug, Default)]
pub(super) struct Observed<'a> {
    pub state: &'a str,
    pub exit_code: i64,
    pub oom_killed: bool,
    pub error: &'a str,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub restart_count: i64,
    /// Kills for want of memory in its control group, in this run.
    pub group_ooms: i64,
    /// Who says so.
    pub dialect: Dialect,
}

/// Why it is not running, or why it ended just before, and with which code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub reason: ExitReason,
    pub exit_code: Option<i64>,
    /// The engine no longer has the events that would tell.
    pub uncertain: bool,
}

impl Ended {
    fn by(death: &Death) -> Self {
        Self { reason: death.reason, exit_code: Some(death.exit_code), uncertain: death.uncertain }
    }
}

/// For this long after an automatic restart, why the run before ended is still what one wants to know.
const FRESH_RESTART: i64 = 300;

/// Decides from state and events.
pub(super) fn classify(observed: &Observed<'_>, events: &[LifeEvent], now: Timestamp) -> Ended {
    let ended = |reason, exit_code| Ended { reason, exit_code, uncertain: false };
    match observed.state {
        "created" if observed.error.is_empty() && observed.exit_code == 0 => ended(ExitReason::None, None),
        "created" => ended(ExitReason::StartFailed, Some(observed.exit_code)),
        "running" | "paused" => running(observed, events, now),
        _ if !observed.error.is_empty() && (125..=128).contains(&observed.exit_code) => {
            ended(ExitReason::StartFailed, Some(observed.exit_code))
        }
        _ => {
            let deaths = deaths(events, observed.dialect);
            let matching = deaths.iter().rev().find(|death| {
                observed.finished_at.is_none_or(|at| (death.at - at).num_seconds().abs() <= 5)
                    && (death.exit_code == observed.exit_code || observed.state == "restarting")
            });
            match matching {
                Some(death) => Ended::by(death),
                None => without_events(observed),
            }
        }
    }
}

fn running(observed: &Observed<'_>, events: &[LifeEvent], now: Timestamp) -> Ended {
    let fresh = observed.started_at.is_some_and(|at| (now - at).num_seconds() < FRESH_RESTART);
    if observed.restart_count > 0
        && fresh
        && let Some(last) = deaths(events, observed.dialect).last()
    {
        return Ended::by(last);
    }
    let this_run = events.iter().rev().take_while(|event| event.action != "start");
    let starved = observed.group_ooms > 0 || this_run.into_iter().any(|event| event.action == "oom");
    let reason = if starved { ExitReason::OomChild } else { ExitReason::None };
    Ended { reason, exit_code: None, uncertain: false }
}

/// The end was before the events that the engine still has.
fn without_events(observed: &Observed<'_>) -> Ended {
    let (reason, uncertain) = match observed.exit_code {
        0 => (ExitReason::Completed, false),
        129 | 130 | 137 | 143 if !observed.dialect.tells_ends() => (ExitReason::Error, true),
        // By memory, or by force long after a child's end: the flag is set either way.
        137 if observed.oom_killed => (ExitReason::Error, true),
        137 => (ExitReason::Killed, true),
        143 => (ExitReason::Stopped, true),
        _ => (ExitReason::Error, false),
    };
    Ended { reason, exit_code: Some(observed.exit_code), uncertain }
}

/// What kind of failure the engine's message, or the code of a shell, names.
pub(super) fn error_kind(error: &str, exit_code: Option<i64>) -> &'static str {
    let text = error.to_ascii_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| text.contains(part));
    if has(&["port is already allocated", "address already in use"]) {
        "port_conflict"
    } else if has(&["no such image", "manifest unknown", "pull access denied", "image not known"]) {
        "image_missing"
    } else if has(&["bind source path", "error mounting", "mount through procfd", "not a directory: unknown"])
        || (has(&["mount"]) && has(&["no such file", "not a directory", "does not exist"]))
    {
        "mount"
    } else if has(&["executable file not found", "no such file or directory"]) {
        "command_not_found"
    } else if has(&["permission denied", "exec format error", "is a directory"]) {
        "not_executable"
    } else if !text.is_empty() {
        "other"
    } else {
        match exit_code {
            Some(127) => "command_not_found", // what shells and entry scripts end with
            Some(126) => "not_executable",
            _ => "none",
        }
    }
}

/// The port that the engine's message says is taken.
pub(super) fn conflicting_port(error: &str) -> Option<u16> {
    let end = ["failed: port is already allocated", ": bind: address already in use", ": address already in use"]
        .iter()
        .find_map(|mark| error.find(mark))?;
    let digits: String = error[..end]
        .trim_end()
        .chars()
        .rev()
        .take_while(char::is_ascii_digit)
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .collect();
    digits.parse().ok()
}

#[cfg(test)]
#[path = "exit_tests.rs"]
mod tests;
