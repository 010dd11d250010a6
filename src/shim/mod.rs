//! The shim: a small program of its own, inside the same binary, that watches over one instance of a service.
//!
//! ```text
//! daemon ──writes──► launch.json, order.json ──► shim ──spawns──► program (its own process group)
//!    │  ◄──reads──── state.json, events.jsonl ◄───┤   ◄──stdout.fifo, stderr.fifo──┘
//!    └───SIGHUP: "look at the order"──────────────┘   └──► log (bounded, rotated)
//! ```
//!
//! The two talk through files only, and the order says what should be, not what to do next. So either side may be
//! killed at any moment: a new daemon reads the state that the old one left, and a new shim finds the program again by
//! pid and start time. The program writes into named pipes that it holds open for reading too, so it does not even
//! notice when its shim is killed: it blocks, if it writes much, until the next one reads.
//!
//! The shim ends when its program has ended for good; nothing runs for a stopped service.

pub mod control;
pub mod events;
pub mod folder;
mod life;
mod log;
mod members;
pub mod proc;
mod program;
pub mod state;
mod watch;

pub use events::LifeEvent;
pub use folder::{InstanceFolder, ServiceFolder};
pub use log::{LONGEST_LINE, LogLine, STREAMS, parse_line, rotated};
pub use proc::ProcessRef;
pub use state::{Launch, Order, RunState, StartError, State, Want};
pub use watch::run;

/// The variable by which a program is known as belonging to an instance, even if nobody wrote its pid down.
pub const MARKER: &str = "ONCALLD_INSTANCE_FOLDER";
