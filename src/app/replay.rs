//! For `oncalld replay`: deciding again on what the journal has, without a daemon, an environment or a model.

use super::AppError;
use crate::config::{Config, Sources};
use crate::domain::{AgentRole, Digest, Event, EventBody, Exchange, Incident, IncidentId};
use crate::flow::{
    self,
    replay::{self, Replay, Rules},
};
use crate::journal::sqlite::{self, Archive};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// An incident that was decided on again.
#[derive(Debug)]
pub struct Replayed {
    /// The incident as it is recorded.
    pub incident: Incident,
    /// By the rules that it had; none where these are not kept any more.
    pub as_then: Option<Replay>,
    /// By the rules that were given; none where these are the ones that it had.
    pub with: Option<Replay>,
    /// What the journal does not have, and what could not be taken into account.
    pub notes: Vec<String>,
}

/// What was asked and answered in an exchange, as it was recorded: redacted.
#[derive(Debug)]
pub struct Recorded {
    /// The exchange.
    pub exchange: Exchange,
    /// What was asked; none if retention deleted it.
    pub question: Option<Value>,
    /// What was answered, as it came; none if there was no answer, or retention deleted it.
    pub answer: Option<String>,
}

/// A journal that is only read.
pub struct Archived<'a> {
    archive: Archive,
    /// Reads a configuration that an incident is pinned to.
    load: &'a (dyn Fn(Sources) -> Option<Config> + 'a),
}

impl<'a> Archived<'a> {
    /// Opens the journal that a configuration names. `load` reads the configurations that are kept in it.
    ///
    /// # Errors
    /// There is none.
    pub async fn open(config: &Config, load: &'a (dyn Fn(Sources) -> Option<Config> + 'a)) -> Result<Self, AppError> {
        let archive = Archive::open(&sqlite::path_of(&config.platform.journal)?).await?;
        Ok(Self { archive, load })
    }

    /// Incidents whose identifiers begin so.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub async fn beginning(&self, with: &str) -> Result<Vec<IncidentId>, AppError> {
        Ok(self.archive.beginning(with).await?)
    }

    /// Decides again on an incident, by its own rules and by others. None if there is no such incident.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub async fn replay(&self, id: &IncidentId, with: &Config) -> Result<Option<Replayed>, AppError> {
        let events = self.archive.events(id).await?;
        let Some(incident) = flow::fold(&events) else { return Ok(None) };
        let mut notes = Vec::new();
        if !replay::has_circumstances(&events) {
            notes.push(
                "it was recorded by an earlier version, which did not keep what was known of the services: their needs, \
                 addresses and labels are taken for none"
                    .to_owned(),
            );
        }
        let configs = self.configurations(&incident, &events).await?;
        if in_force(&events).any(|digest| *digest != incident.config && !configs.contains_key(digest)) {
            notes.push("a configuration that was in force meanwhile is not kept any more: its own is taken".to_owned());
        }
        let pinned = configs.get(&incident.config);
        let as_then = pinned.and_then(|pinned| replay::replay(&events, Rules::AsThen { pinned, in_force: &configs }));
        match pinned {
            None => notes.push("the configuration that it began with is not kept any more".to_owned()),
            Some(pinned) => notes.extend(told_otherwise(&incident, pinned, with)),
        }
        let is_other = pinned.is_none() || incident.config != with.digest;
        let with = if is_other { replay::replay(&events, Rules::With(with)) } else { None };
        Ok(Some(Replayed { incident, as_then, with, notes }))
    }

    /// What was asked and answered. None if there is no such incident or exchange.
    ///
    /// # Errors
    /// The journal cannot be read.
    pub async fn exchange(&self, id: &IncidentId, index: u32) -> Result<Option<Recorded>, AppError> {
        let events = self.archive.events(id).await?;
        let exchanges = flow::fold(&events).map(|incident| incident.exchanges).unwrap_or_default();
        let Some(exchange) = exchanges.into_iter().find(|exchange| exchange.index == index) else { return Ok(None) };
        let (mut question, mut answer) = (None, None);
        if let Some(end) = &exchange.end {
            question = self.archive.blob(&end.request).await?;
            if let Some(digest) = &end.answer {
                answer = self.archive.blob(digest).await?;
            }
        }
        let question = question.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let answer = answer.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Ok(Some(Recorded { exchange, question, answer }))
    }

    /// Closes the journal.
    pub async fn close(self) {
        self.archive.close().await;
    }

    /// Every configuration that the incident was decided by, as far as it is kept and understood.
    async fn configurations(
        &self,
        incident: &Incident,
        events: &[Event],
    ) -> Result<BTreeMap<Digest, Config>, AppError> {
        let digests: BTreeSet<&Digest> = in_force(events).chain([&incident.config]).collect();
        let mut configs = BTreeMap::new();
        for digest in digests {
            let stored = self.archive.blob(digest).await?;
            let config = stored.and_then(|bytes| Sources::from_bytes(&bytes)).and_then(self.load);
            configs.extend(config.map(|config| (digest.clone(), config)));
        }
        Ok(configs)
    }
}

/// Configurations that decisions were made by.
fn in_force(events: &[Event]) -> impl Iterator<Item = &Digest> {
    events.iter().filter_map(|event| match &event.body {
        EventBody::CircumstancesNoted { circumstances } => circumstances.config.as_ref(),
        _ => None,
    })
}

/// Agents that were asked and would be told otherwise now. What they would answer, nobody knows.
fn told_otherwise(incident: &Incident, pinned: &Config, with: &Config) -> Vec<String> {
    let asked: BTreeSet<AgentRole> = incident.exchanges.iter().map(|exchange| exchange.agent).collect();
    let differs = |role: &AgentRole| {
        let (then, now) = (pinned.agents.agent(*role), with.agents.agent(*role));
        then.prompt != now.prompt || then.models != now.models
    };
    let told = asked.into_iter().filter(differs);
    told.map(|role| format!("the {role} has another prompt or other models now: its recorded answers are taken"))
        .collect()
}
