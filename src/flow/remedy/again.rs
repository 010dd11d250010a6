//! Trying a call again that certainly was not sent: after a pause, and not for ever.

use super::case::Case;
use crate::flow::{MAX_ATTEMPTS, Next, backoff};

/// Whether the call that is due may be tried.
pub(super) enum Again {
    /// It was not tried yet, or its pause is over.
    Now,
    /// Not before something happens, or some time.
    Later(Next),
    /// It was tried often enough; why it was not sent.
    Never(String),
}

/// Whether the next call of an action, or the next one that takes it back, may be tried. While the environment is away,
/// nothing is given up because of that.
pub(super) fn again(case: Case<'_>, undo: bool) -> Again {
    let Some(unsent) = case.action.unsent.as_ref().filter(|unsent| unsent.undo == undo) else { return Again::Now };
    if unsent.attempts >= MAX_ATTEMPTS {
        return match &case.snapshot.inventory.stale {
            Some(_) => Again::Later(Next::idle()),
            None => Again::Never(format!("gave up after {MAX_ATTEMPTS} attempts: {}", unsent.error)),
        };
    }
    let due = unsent.at + backoff(unsent.attempts).as_chrono();
    if due > case.snapshot.now {
        return Again::Later(Next::Wait { effects: Vec::new(), wakes_at: Some(due) });
    }
    Again::Now
}
