//! Storms: so much of an environment alerts that its targets are likely not the fault.

use crate::config::Storm;
use crate::domain::Alerting;

impl Alerting {
    /// Whether that is a storm. Strictly by whole targets: with few of them one alert is a large share, which is why
    /// there is a minimum.
    pub fn is_storm(&self, storm: &Storm) -> bool {
        let weight = if self.in_storm { 2 } else { 1 };
        let counted = self.count.saturating_mul(weight);
        let share = self.targets.saturating_mul(storm.percent as usize);
        self.count > 0 && counted >= storm.minimum as usize && counted.saturating_mul(100) >= share
    }

    /// Whether the environment is large enough for one.
    pub fn may_become_storm(&self, storm: &Storm) -> bool {
        self.targets >= storm.minimum as usize
    }
}
