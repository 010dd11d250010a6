//! Settings and sessions of the Redis or PostgreSQL server in a container, through its own client there.

use super::{
    DockerEnvironment,
    error::{Answer, EngineError},
    exec::Program,
    inspect::Container,
};
use crate::domain::Values;
use crate::execute::data_store::{DataStore, READ_BACK_PAUSE, READ_BACKS, taken};
use std::time::Duration;

/// A setting or a list of sessions comes at once, or the server hangs.
const PATIENCE: Duration = Duration::from_secs(10);

impl DockerEnvironment {
    /// The result of `container.parameter`.
    pub(super) async fn parameter(&self, id: &str, engine: &str, name: &str) -> Answer<Values> {
        let (store, container) = self.store(id, engine).await?;
        let argv = store.read_parameter(name).map_err(EngineError::declined)?;
        let output = self.ask(store, &container, argv).await?;
        store.parameter(name, &output).map_err(EngineError::declined)
    }

    /// The result of `container.sessions`.
    pub(super) async fn sessions(&self, id: &str, engine: &str) -> Answer<Values> {
        let (store, container) = self.store(id, engine).await?;
        let mut outputs = Vec::new();
        for argv in store.list_sessions() {
            outputs.push(self.ask(store, &container, argv).await?);
        }
        store.sessions(&outputs).map_err(EngineError::declined)
    }

    /// `container.set_parameter`.
    pub(super) async fn set_parameter(
        &self,
        id: &str,
        engine: &str,
        name: &str,
        value: &str,
    ) -> Answer<(bool, String)> {
        let (store, container) = self.store(id, engine).await?;
        let argv = store.set_parameter(name, value).map_err(EngineError::declined)?;
        let before = self.parameter(id, engine, name).await?;
        let output = self.ask(store, &container, argv).await?;
        store.changed(&output).map_err(EngineError::declined)?;
        let mut now = (false, String::new());
        for _ in 0..=READ_BACKS {
            let after = self.parameter(id, engine, name).await.map_err(|error| error.after_others(true))?;
            now = taken(name, value, &before, &after);
            if now.0 {
                break;
            }
            tokio::time::sleep(READ_BACK_PAUSE).await;
        }
        Ok(now)
    }

    /// `container.terminate_session`.
    pub(super) async fn terminate_session(&self, id: &str, engine: &str, session: &str) -> Answer<bool> {
        let (store, container) = self.store(id, engine).await?;
        let argv = store.terminate_session(session).map_err(EngineError::declined)?;
        let output = self.ask(store, &container, argv).await?;
        store.changed(&output).map_err(EngineError::declined)
    }

    async fn store(&self, id: &str, engine: &str) -> Answer<(DataStore, Container)> {
        let store = engine.parse().map_err(|error: String| EngineError::Declined(error))?;
        Ok((store, self.container(id).await?))
    }

    async fn ask(&self, store: DataStore, container: &Container, argv: Vec<String>) -> Answer<String> {
        let what = argv.iter().take(3).cloned().collect::<Vec<_>>().join(" ");
        let environment = store.client_environment(&container.environment());
        let program = Program { argv, environment, user: None, timeout: PATIENCE };
        self.run(container, &program).await?.success(&what)
    }
}
