//! `notify.send`: a message to a configured channel, as an operation.

use super::{Message, Notifier};
use crate::{
    domain::{ActCall, IncidentId, ReadCall, StepId, Values, nearest},
    execute::{ExecuteError, Executor, Probed},
    gate::Cleared,
};
use futures_util::future::{BoxFuture, FutureExt};
use serde_json::json;
use std::{collections::BTreeMap, sync::Arc};

const CALL: &str = "notify.send";

/// The channels, as an executor of one environment.
#[derive(Clone)]
pub struct NotifyExecutor {
    environment: String,
    channels: BTreeMap<String, Arc<dyn Notifier>>,
}

impl NotifyExecutor {
    /// The channels by their names. `environment` is what messages say they are about.
    pub fn new(environment: impl Into<String>, notifiers: impl IntoIterator<Item = Arc<dyn Notifier>>) -> Self {
        let channels = notifiers.into_iter().map(|notifier| (notifier.channel().to_owned(), notifier)).collect();
        Self { environment: environment.into(), channels }
    }

    async fn send(&self, channel: &str, title: &str, body: &str, step: &StepId) -> Result<Values, ExecuteError> {
        let notifier = self.channels.get(channel).ok_or_else(|| {
            let near = nearest(channel, self.channels.keys().map(String::as_str)).join(", ");
            let near = if near.is_empty() { near } else { format!("; did you mean {near}?") };
            ExecuteError::permanent(CALL, format!("platform.yml has no channel '{channel}'{near}"))
        })?;
        // Steps are `<incident>.r<revision>.<n>`.
        let incident = step.as_str().split('.').next().unwrap_or_default();
        let message = Message {
            subject: format!("operation:{step}"),
            incident: IncidentId::new(incident),
            environment: self.environment.clone(),
            service: String::new(),
            severity: "none".into(),
            title: title.into(),
            body: body.into(),
            link: None,
            approval: None,
        };
        notifier.send(&message).await.map_err(|error| {
            // A message that came twice does no harm, and receivers can tell by its key.
            if error.transient { ExecuteError::transient(CALL, error) } else { ExecuteError::permanent(CALL, error) }
        })?;
        Ok(Values::from_iter([
            ("changed".to_owned(), json!(false)),
            ("detail".to_owned(), json!(format!("told {channel}"))),
            ("id".to_owned(), json!("")),
        ]))
    }
}

impl Executor for NotifyExecutor {
    fn families(&self) -> &'static [&'static str] {
        &["notify"]
    }

    fn read<'a>(&'a self, call: &'a ReadCall) -> BoxFuture<'a, Result<Values, ExecuteError>> {
        async move { Err(ExecuteError::permanent(call.name(), "channels are not read")) }.boxed()
    }

    fn act(&self, cleared: Cleared) -> BoxFuture<'_, Result<Values, ExecuteError>> {
        async move {
            match cleared.call() {
                ActCall::NotifySend { channel, title, body } => self.send(channel, title, body, cleared.step()).await,
                other => Err(ExecuteError::permanent(other.name(), "channels do not serve this call")),
            }
        }
        .boxed()
    }

    /// Nobody can ask a channel what it was told.
    fn probe<'a>(&'a self, _call: &'a ActCall) -> BoxFuture<'a, Result<Option<Probed>, ExecuteError>> {
        async { Ok(Some(Probed::Unknown("a channel cannot be asked whether a message arrived".into()))) }.boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::{super::NotifyError, *};
    use crate::domain::spec_of;
    use serde_json::Value;
    use std::sync::Mutex;

    #[derive(Default)]
    struct Recorder(Mutex<Vec<Message>>, Option<NotifyError>);

    impl Notifier for Recorder {
        fn channel(&self) -> &str {
            "ops"
        }

        fn send<'a>(&'a self, message: &'a Message) -> BoxFuture<'a, Result<(), NotifyError>> {
            self.0.lock().unwrap().push(message.clone());
            let answer = self.1.clone().map_or(Ok(()), Err);
            async move { answer }.boxed()
        }
    }

    #[tokio::test]
    async fn a_message_goes_to_its_channel() {
        let recorder = Arc::new(Recorder::default());
        let executor = NotifyExecutor::new("shop", [recorder.clone() as Arc<dyn Notifier>]);
        let step = IncidentId::new("inc_1").step(2, 3);
        let result = executor.send("ops", "title", "body", &step).await.unwrap();
        let shape = spec_of(CALL).unwrap().returns;
        assert_eq!(shape.coerce(Value::Object(result.clone())), Ok(Value::Object(result)));
        let sent = recorder.0.lock().unwrap()[0].clone();
        assert_eq!((sent.incident.as_str(), sent.subject.as_str()), ("inc_1", "operation:inc_1.r2.3"));
        let error = executor.send("opps", "t", "b", &step).await.unwrap_err();
        assert!(error.to_string().ends_with("no channel 'opps'; did you mean ops?"), "{error}");
    }

    #[tokio::test]
    async fn a_failure_keeps_its_kind() {
        for transient in [true, false] {
            let error = NotifyError { channel: "ops".into(), problem: "no".into(), transient };
            let executor =
                NotifyExecutor::new("shop", [Arc::new(Recorder(Mutex::default(), Some(error))) as Arc<dyn Notifier>]);
            let error = executor.send("ops", "t", "b", &IncidentId::new("inc_1").step(0, 0)).await.unwrap_err();
            assert_eq!(matches!(error, ExecuteError::Transient { .. }), transient);
        }
    }
}
