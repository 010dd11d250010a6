//! What reaches the loop.

use super::command::Command;
use crate::domain::{Alert, Event, EventBody, IncidentId, LeftOut};
use crate::flow::{Effect, Inspected};
use tokio::sync::mpsc;

/// The loop's two queues.
pub(super) struct Inbox {
    pub commands: mpsc::Receiver<Command>,
    pub outcomes: mpsc::Receiver<Outcome>,
}

/// News from a task that the loop started, or from an environment.
pub(super) enum Outcome {
    /// An effect ended.
    Effect { incident: IncidentId, effect: Effect, run: u64, result: EffectResult },
    /// What the journal has of an incident beyond what was in memory when a write failed.
    CaughtUp { incident: IncidentId, events: Vec<Event> },
    /// Alerts that a sender had left out, or why they cannot be had.
    Fetched { left_out: LeftOut, result: Result<Vec<Alert>, String> },
    /// An inventory was read (or could not be).
    InventoryRead,
}

/// How an effect ended.
pub(super) enum EffectResult {
    /// In facts. The blobs are made durable before them.
    Facts { events: Vec<EventBody>, blobs: Vec<Vec<u8>> },
    /// In a reading of the target, just before a call: the gate looks at it at once, together with everything else.
    Inspected(Inspected),
    /// It was stopped because it is no longer wanted.
    Stopped,
}
