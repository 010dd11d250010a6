//! What containers hold as secret, wherever their programs print it.

use super::{DockerEnvironment, error::Answer};
use crate::domain::{ReadCall, Values, secret_of};
use serde_json::Value;

impl DockerEnvironment {
    /// A result without the secrets in the variables of the containers that wrote it. Who looks at a log knows nothing of
    /// these variables: here they are known, and their placeholders are those of `container.config`.
    pub(super) async fn withhold(&self, call: &ReadCall, facts: Values) -> Answer<Values> {
        let ids = match call {
            ReadCall::ContainerLogs { containers, .. } | ReadCall::ContainerProcesses { containers } => {
                containers.clone()
            }
            ReadCall::ContainerQuery { container, .. } => vec![container.clone()],
            _ => return Ok(facts),
        };
        let mut secrets = Vec::new();
        for container in self.some(&ids).await? {
            let variables = container.environment();
            let held = variables.iter().filter_map(|(name, value)| secret_of(name, value));
            secrets.extend(held.map(str::to_owned));
        }
        let mut facts = Value::Object(facts);
        self.shared.config.redactor.with(secrets).value(&mut facts);
        Ok(match facts {
            Value::Object(facts) => facts,
            _ => Values::new(),
        })
    }
}
