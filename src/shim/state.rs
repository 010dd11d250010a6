//! What is in the files that the daemon and the shim share.

use super::ProcessRef;
use crate::domain::{Digest, ExitReason, Timestamp};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf};

/// What to run, and within which limits: the effective configuration of a service. `launch.json`, mode 0600.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launch {
    /// Program and arguments.
    pub argv: Vec<String>,
    /// The whole environment, besides a few variables such as `PATH` that come from the daemon's.
    pub environment: BTreeMap<String, String>,
    /// Where it runs; none: the daemon's own working folder.
    pub working_dir: Option<PathBuf>,
    /// Resident bytes of all its processes together, above which it is killed.
    pub memory: Option<u64>,
    /// `no`, `always`, `unless-stopped` or `on-failure`.
    pub restart: String,
    /// Restarts after which `on-failure` gives up; 0 for never.
    pub retries: u32,
    /// Where its log goes; none: `log` in the instance's folder.
    pub log_file: Option<PathBuf>,
}

impl Launch {
    /// Identifies this configuration.
    pub fn digest(&self) -> Digest {
        Digest::of_json(self)
    }

    /// Whether the policy starts a program again that ended by itself, after this many restarts.
    pub fn restarts(&self, succeeded: bool, so_far: u32) -> bool {
        match self.restart.as_str() {
            "always" | "unless-stopped" => true,
            "on-failure" => !succeeded && (self.retries == 0 || so_far < self.retries),
            _ => false,
        }
    }
}

/// What an instance should be doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Want {
    /// Running, or started again as its restart policy says.
    Running,
    /// Running, but frozen.
    Paused,
    /// Not running.
    #[default]
    Stopped,
}

/// What the daemon wants of an instance. `order.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Grows with every order; the state names the last one carried out.
    pub generation: u64,
    /// The run: a greater one means that the program is to be started anew.
    pub run: u64,
    /// What it should be doing.
    pub want: Want,
    /// How long the program may take to end by itself.
    pub grace_ms: u64,
}

/// Where an instance stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    /// Never ran: it was not started yet, or could not be.
    #[default]
    Created,
    /// About to be spawned; left by a shim that was killed at the wrong moment.
    Starting,
    /// Running, or paused: the process itself tells.
    Running,
    /// Ended, and its policy starts it again after a while.
    Restarting,
    /// Ended.
    Exited,
}

/// Why a program could not be started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StartError {
    /// It could.
    #[default]
    None,
    /// There is no such program.
    CommandNotFound,
    /// It may not be executed.
    NotExecutable,
    /// Something else.
    Other,
}

impl StartError {
    /// As in results.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::CommandNotFound => "command_not_found",
            Self::NotExecutable => "not_executable",
            Self::Other => "other",
        }
    }
}

/// What the shim knows of its instance. `state.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    /// The last order that was carried out.
    pub generation: u64,
    /// The run that was last started.
    pub run: u64,
    /// The shim itself.
    pub shim: Option<ProcessRef>,
    /// The program.
    pub program: Option<ProcessRef>,
    /// Where it stands.
    pub status: RunState,
    /// Digest of the configuration that the program was started with.
    pub config: Option<Digest>,
    /// Start of this run.
    pub started_at: Option<Timestamp>,
    /// End of the last run.
    pub finished_at: Option<Timestamp>,
    /// Of the last run; 128 and the signal if a signal ended it; none if nobody saw it end.
    pub exit_code: Option<i32>,
    /// Why the last run ended.
    pub exit_reason: ExitReason,
    /// What went wrong with starting it.
    pub start_error: StartError,
    /// In words.
    pub error: String,
    /// How often the restart policy started it again in this run.
    pub restarts: u32,
    /// How often it was killed for its memory.
    pub ooms: u64,
    /// Most resident bytes seen in this run.
    pub memory_peak: u64,
}
