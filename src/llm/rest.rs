//! Which models are left alone for a while: one that is away, slow or takes no more questions would cost each question its
//! time-out.

use super::ModelError;
use std::time::{Duration, Instant};

/// How long a model rests after its first failure; twice as long after each further one.
const FIRST: Duration = Duration::from_secs(30);

/// The longest rest, whatever a vendor asks for: then it is tried again.
const LONGEST: Duration = Duration::from_secs(600);

/// What is remembered of one model: its failures in a row, and until when it is not asked.
#[derive(Debug, Default)]
pub(super) struct Memory {
    failures: u32,
    resting: Option<(Instant, String)>,
}

impl Memory {
    /// Why it is not asked now, if it is not.
    pub fn resting(&self, now: Instant) -> Option<String> {
        let (until, why) = self.resting.as_ref()?;
        let left = until.checked_duration_since(now)?.as_secs() + 1;
        Some(format!("not asked for another {left} s, because {why}"))
    }

    /// It answered, well or badly: it is there.
    pub fn answered(&mut self) {
        *self = Self::default();
    }

    /// It did not.
    pub fn failed(&mut self, error: &ModelError, now: Instant) {
        if let Some(rest) = rest(error, self.failures) {
            self.failures = self.failures.saturating_add(1);
            self.resting = Some((now + rest, error.to_string()));
        } else {
            self.answered();
        }
    }
}

/// How long a model is left alone after an error: not at all after one that says that it is there and quick.
fn rest(error: &ModelError, failures: u32) -> Option<Duration> {
    let doubled = FIRST.saturating_mul(1 << failures.min(8)).min(LONGEST);
    match error {
        ModelError::Limited { again_in: Some(wanted), .. } => Some(wanted.as_std().min(LONGEST)),
        ModelError::Limited { again_in: None, .. }
        | ModelError::Away(_)
        | ModelError::Lost(_)
        | ModelError::TimedOut(_)
        | ModelError::Broken { .. } => Some(doubled),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::TimeSpan;

    #[test]
    fn a_model_that_fails_rests_longer_each_time_and_never_for_ever() {
        let (mut memory, start) = (Memory::default(), Instant::now());
        assert_eq!(memory.resting(start), None);
        let mut rests = Vec::new();
        for _ in 0..40 {
            memory.failed(&ModelError::Away("no route".into()), start);
            let ends =
                (0..=LONGEST.as_secs()).find(|s| memory.resting(start + Duration::from_millis(s * 1000 + 1)).is_none());
            rests.push(ends.expect("an end"));
        }
        assert_eq!(rests[..6], [30, 60, 120, 240, 480, 600]);
        assert!(rests[6..].iter().all(|rest| *rest == 600));
        let why = memory.resting(start).expect("it rests");
        assert!(why.contains("another 601 s, because the model is away: no route"), "{why}");
        memory.answered();
        assert_eq!(memory.resting(start), None);
    }

    #[test]
    fn a_vendor_says_when_to_come_again_and_a_refusal_costs_no_rest() {
        let start = Instant::now();
        let wait =
            |seconds| ModelError::Limited { message: String::new(), again_in: Some(TimeSpan::from_secs(seconds)) };
        for (error, seconds) in [(wait(7), 7), (wait(86_400), 600)] {
            let mut memory = Memory::default();
            memory.failed(&error, start);
            assert!(memory.resting(start + Duration::from_secs(seconds - 1)).is_some(), "{error}");
            assert!(memory.resting(start + Duration::from_millis(seconds * 1000 + 1)).is_none(), "{error}");
        }
        for error in [ModelError::CutOff, ModelError::Empty, ModelError::Declined("no".into())] {
            let mut memory = Memory::default();
            memory.failed(&error, start);
            assert_eq!(memory.resting(start), None, "{error}");
        }
    }
}
