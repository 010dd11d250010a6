//! What the loop is asked to do.

use super::answer::{Accepted, EngineError, Identity, KillSwitch};
use super::place::Equipment;
use crate::config::Config;
use crate::domain::{Alert, Approval, ApprovalId, Decision, Delivery, Digest, IncidentId, Inventories, Values};
use crate::flow::Word;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Where an answer goes.
pub(super) type Reply<T> = oneshot::Sender<Result<T, EngineError>>;

/// A command from outside, answered when what it caused is durable.
pub(super) enum Command {
    Deliver {
        delivery: Delivery,
        reply: Reply<Accepted>,
    },
    /// Which incidents the alerts of a delivery that is durable already belong to.
    Belong {
        alerts: Vec<Alert>,
        reply: Reply<Vec<IncidentId>>,
    },
    Diagnose {
        environment: Option<String>,
        service: String,
        note: String,
        by: Identity,
        reply: Reply<IncidentId>,
    },
    Operate {
        environment: Option<String>,
        operation: String,
        target: Option<String>,
        arguments: Values,
        by: Identity,
        reply: Reply<IncidentId>,
    },
    Decide {
        approval: ApprovalId,
        decision: Decision,
        digest: Digest,
        by: Identity,
        comment: Option<String>,
        reply: Reply<Approval>,
    },
    Say {
        incident: IncidentId,
        by: String,
        word: Word,
        text: String,
        reply: Reply<()>,
    },
    KillSwitch {
        on: bool,
        /// How often it had been thrown when this was asked.
        throws: u64,
        by: String,
        reason: String,
        reply: Reply<KillSwitch>,
    },
    Reload {
        config: Arc<Config>,
        equipment: Equipment,
        /// Inventories of environments that are new or others than before.
        seen: Inventories,
        reply: Reply<()>,
    },
}

impl Command {
    /// Whether whoever gave it has stopped waiting, and was told so: then it must not be carried out any more.
    pub fn is_abandoned(&self) -> bool {
        match self {
            Self::Deliver { reply, .. } => reply.is_closed(),
            Self::Belong { reply, .. } => reply.is_closed(),
            Self::Diagnose { reply, .. } | Self::Operate { reply, .. } => reply.is_closed(),
            Self::Decide { reply, .. } => reply.is_closed(),
            Self::Say { reply, .. } | Self::Reload { reply, .. } => reply.is_closed(),
            // Whoever stops everything means it.
            Self::KillSwitch { on, reply, .. } => !on && reply.is_closed(),
        }
    }
}
