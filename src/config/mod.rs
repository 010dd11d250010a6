//! Everything that a user sets, layered, parsed and checked whole before anything runs.
//!
//! ```text
//! compiled-in files ─┐
//! files of --config  ├─► Sources ─► layers (figment) ─► positioned tree ─► Config | every Problem at once
//! ONCALLD_… variables┘
//! ```

mod agents;
mod body;
mod built_in;
mod environments;
mod load;
mod loaded;
mod platform;
mod policies;
pub mod read;
mod scope;
mod secret;
mod warnings;

pub use agents::{Agent, Agents, ModelConfig, PROMPTS, Prices, Provider, ThinkingBudgets, prompt_scope};
pub use body::BodyTemplate;
pub use environments::{
    Autonomy, DataStore, DockerConfig, Endpoint, EnvironmentConfig, KindSetting, RestartPolicy, ServiceConfig,
};
pub use loaded::{Config, Sources};
pub use platform::{
    Channel, ChannelKind, Credentials, LARGEST_QUEUE, Limits, LogFormat, Notice, Platform, Retention, Role, SenderAuth,
    SenderConfig, Telemetry, TokenConfig,
};
pub use policies::{Budgets, Defaults, Flap, Freeze, Policies, Rule, Storm, Unprotect, Window};
pub use scope::policy_scope;
pub use secret::Secret;

#[cfg(test)]
mod tests;
