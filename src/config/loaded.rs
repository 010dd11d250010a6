//! A configuration, whole and checked, and the texts that it was made of.

use super::{Agents, Autonomy, Credentials, EnvironmentConfig, Platform, Policies, Secret, SenderAuth};
use crate::catalog::Catalog;
use crate::domain::{Digest, secret_of};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The texts of a configuration by the path that problems are reported under. Those of a [`Config`] have no secret in
/// them, even where the user's files do: this is what an incident is pinned to and what the journal keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sources(pub BTreeMap<String, String>);

impl Sources {
    /// Canonical bytes; their digest is the configuration's.
    pub fn to_bytes(&self) -> Vec<u8> {
        // A map of texts always serializes.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// The reverse of [`Self::to_bytes`].
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// The digest of [`Self::to_bytes`].
    pub fn digest(&self) -> Digest {
        Digest::of(&self.to_bytes())
    }
}

/// Everything that a user sets, checked whole.
#[derive(Clone, Debug)]
pub struct Config {
    /// Digest of the sources: what an incident is pinned to.
    pub digest: Digest,
    /// The texts, without the secrets that stand in them.
    pub sources: Sources,
    /// platform.yml.
    pub platform: Platform,
    /// agents.yml.
    pub agents: Agents,
    /// environments.yml, by name.
    pub environments: BTreeMap<String, EnvironmentConfig>,
    /// policies.yml.
    pub policies: Policies,
    /// operations.yml, translations and runbooks.
    pub catalog: Catalog,
}

impl Config {
    /// How much oncalld may do by itself in an environment; one that is not there may only be observed.
    pub fn autonomy(&self, environment: &str) -> Autonomy {
        self.environments.get(environment).map_or(Autonomy::Observe, |environment| environment.autonomy)
    }

    /// Every secret that the configuration holds, for redaction.
    pub fn secrets(&self) -> Vec<String> {
        let of_channels = self.platform.channels.iter().filter_map(|channel| channel.secret.as_ref());
        let of_senders = self.platform.senders.iter().flat_map(|sender| {
            let shared = match &sender.auth {
                SenderAuth::Hmac { secret } => Some(secret),
                _ => None,
            };
            shared.into_iter().chain(sender.external_auth.as_ref().map(Credentials::secret))
        });
        let of_environments = self.environments.values().flat_map(|environment| {
            let endpoints = [&environment.prometheus, &environment.alertmanager].into_iter().flatten();
            let tokens = endpoints.filter_map(|endpoint| endpoint.credentials.as_ref().map(Credentials::secret));
            let variables = environment.services.values().flat_map(|service| {
                service.environment.iter().filter_map(|(name, value)| secret_of(name, value.expose()))
            });
            tokens.map(Secret::expose).chain(variables)
        });
        let of_models = self.agents.models.values().filter_map(|model| model.key.as_ref());
        let own = of_channels.chain(of_senders).chain(of_models).map(Secret::expose);
        own.chain(of_environments).map(str::to_owned).collect()
    }
}
