//! When to try again.

use crate::domain::TimeSpan;

/// Attempts at a reading step or a preparation before the failure counts as final: with the pauses below, about a
/// minute, which outlasts the restart of a container engine.
pub const MAX_ATTEMPTS: u32 = 5;

/// The pause after a failed attempt: 2, 4, 8, 16, then 30 seconds.
pub fn backoff(attempt: u32) -> TimeSpan {
    TimeSpan::from_secs(2u64.saturating_pow(attempt.clamp(1, 5)).min(30))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stop_growing() {
        let pauses: Vec<u64> = (1..=6).map(|attempt| backoff(attempt).as_secs()).collect();
        assert_eq!(pauses, [2, 4, 8, 16, 30, 30]);
    }
}
