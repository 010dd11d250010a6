//! Alerts that come before anybody has looked at where they come from.

use super::run::Loop;
use crate::domain::Delivery;
use crate::intake;
use std::time::Duration;

/// How long after the start an environment that was not looked at holds its alerts up: engines start within it.
const FIRST_LOOK: Duration = Duration::from_secs(60);

impl Loop {
    /// Why a delivery cannot be taken yet, if so: without an inventory its alerts have no target, and a delivery that was
    /// taken is never looked at again. Its sender comes again, and then they have. After a while an alert is better taken
    /// without a target than not at all.
    pub(super) fn not_looked_at(&self, delivery: &Delivery) -> Option<String> {
        if self.started.elapsed() >= FIRST_LOOK {
            return None;
        }
        let (config, inventories) = (self.shared.config(), self.shared.inventories());
        let equipment = self.runner.equipment();
        let resolved = delivery.alerts.iter().map(|alert| intake::resolve(alert, &config.environments, &inventories));
        let mut unknown = resolved.filter(|resolution| resolution.service().is_none());
        let environment = unknown.find_map(|resolution| {
            let (name, inventory) = inventories.get_key_value(resolution.environment())?;
            let is_awaited = inventory.read_at.is_none() && equipment.places.contains_key(name);
            is_awaited.then(|| name.clone())
        })?;
        Some(format!("{environment} was not looked at since the start, so the alerts have no target yet"))
    }
}
