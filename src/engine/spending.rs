//! What models cost lately, over all incidents and across restarts.

use crate::domain::{Spent, Timestamp};
use chrono::{Duration, DurationRound as _};
use std::collections::BTreeMap;

/// What the budgets of a day look back on.
pub(super) const DAY: Duration = Duration::hours(24);

/// Sums by the minute, which bounds them: a day has 1,440.
#[derive(Debug, Default)]
pub(super) struct Spending {
    minutes: BTreeMap<Timestamp, Spent>,
}

impl Spending {
    /// Counts what an exchange cost.
    pub fn note(&mut self, at: Timestamp, spent: Spent) {
        let minute = at.duration_trunc(Duration::minutes(1)).unwrap_or(at);
        *self.minutes.entry(minute).or_default() += spent;
        // One more minute than counts: the oldest is counted as a whole.
        self.minutes = self.minutes.split_off(&(minute - DAY - Duration::minutes(1)));
    }

    /// The sum of the day before a time.
    pub fn of_day(&self, now: Timestamp) -> Spent {
        let since = now - DAY - Duration::minutes(1);
        self.minutes.range(since..).map(|(_, spent)| *spent).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Cost;

    fn spent(tokens: u64, money: u64) -> Spent {
        Spent { tokens, money: Cost(money) }
    }

    #[test]
    fn a_day_counts_and_what_was_before_it_does_not() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let mut spending = Spending::default();
        spending.note(at("2026-11-20T02:00:00Z"), spent(1, 1));
        spending.note(at("2026-11-20T12:00:00Z"), spent(10, 20));
        spending.note(at("2026-11-20T12:00:30Z"), spent(30, 40));
        assert_eq!(spending.of_day(at("2026-11-21T03:00:00Z")), spent(40, 60));
        assert_eq!(spending.of_day(at("2026-11-22T03:00:00Z")), Spent::default());
        spending.note(at("2026-11-21T03:00:00Z"), spent(5, 5));
        assert_eq!(spending.minutes.len(), 2, "what does not count any more is forgotten");
    }
}
