//! Asking models: what they are told is written, redacted and kept; what they answer is redacted, and kept as it was read.

use super::{EffectResult, Job, Runner, since};
use crate::brief::{self, BriefError, Shown};
use crate::config::Agents;
use crate::domain::{
    Cost, Digest, EventBody, Evidence, Exchange, ExchangeEnd, ExchangeOutcome, StepId, TimeSpan, Usage, Values, Window,
};
use crate::flow::{self, Asked, Asking};
use crate::llm;
use std::collections::{BTreeMap, BTreeSet};

/// Questions that are under way at once, over all incidents: vendors refuse more, a local model answers one after another,
/// and each holds all that is told, which may be megabytes. Others wait for a place, and no longer than for an answer.
pub(super) const QUESTIONS: usize = 16;

impl Runner {
    /// Carries out an exchange.
    pub(super) async fn think(&self, job: &Job, index: u32) -> EffectResult {
        let started = std::time::Instant::now();
        let Some(exchange) = job.incident.exchanges.iter().find(|exchange| exchange.index == index) else {
            return ended(index, nothing("there is no such exchange"), Vec::new());
        };
        let (current, equipment) = (self.config(), self.equipment());
        let agent = flow::agent(&job.pinned.agents, &current.agents, exchange.agent);
        let Some((agent, chain)) = agent.zip(equipment.models.get(&exchange.agent)) else {
            return ended(index, nothing("no model is configured for it any more"), Vec::new());
        };
        let patience = flow::patience(&job.incident, agent);
        // Whatever it is that takes long, an incident waits no longer.
        let asked = tokio::time::timeout(patience.as_std(), self.question(job, exchange, &current.agents)).await;
        let asked = match asked {
            Ok(Ok(asked)) => asked,
            Ok(Err(error)) => return ended(index, nothing(&error.to_string()), Vec::new()),
            Err(_) => {
                let end = nothing(&format!("what is to be told could not be read within {patience}"));
                return ended(index, ExchangeEnd { milliseconds: since(started), ..end }, Vec::new());
            }
        };
        let question = sent(asked);
        let told = serde_json::to_vec_pretty(&question).unwrap_or_default();
        let request = Digest::of(&told);
        if let Some(known) = flow::remembered(&job.incident, &request, crate::engine::now(), current.agents.remember) {
            return ended(index, ExchangeEnd { milliseconds: since(started), ..known }, Vec::new());
        }
        let left = patience.as_std().saturating_sub(started.elapsed());
        let Ok(Ok(_place)) = tokio::time::timeout(left, self.asking.acquire()).await else {
            let end = nothing(&format!("{QUESTIONS} other questions were under way for {patience}"));
            return ended(index, ExchangeEnd { request, milliseconds: since(started), ..end }, vec![told]);
        };
        // What it took to write the question, and to get a place, is waited for, too.
        let left = TimeSpan::from_millis(patience.as_millis().saturating_sub(since(started)));
        let asked = chain.ask(&question, left).await;
        let answer = asked.answer.as_ref().map(|answer| equipment.redactor.json(&answer.text));
        let outcome = match &answer {
            Some(answer) => flow::answered(exchange.agent, answer),
            None => ExchangeOutcome::Failed { error: self.clean(&asked.words()) },
        };
        let answer = answer.map(String::into_bytes);
        let (model, usage, cost) = (asked.model, asked.usage, asked.cost);
        let mut end = ExchangeEnd { model, usage, cost, outcome, ..nothing("") };
        end.request = request;
        end.answer = answer.as_deref().map(Digest::of);
        end.milliseconds = since(started);
        ended(index, end, [Some(told), answer].into_iter().flatten().collect())
    }

    async fn question(&self, job: &Job, exchange: &Exchange, agents: &Agents) -> Result<Asked, BriefError> {
        let inventories = self.shared.inventories();
        let none = crate::domain::Inventory::default();
        let inventory = inventories.get(&job.incident.environment).unwrap_or(&none);
        let fence = self.fences.of(&job.incident.id);
        let evidence = |step: &StepId| {
            let mut all = job.incident.steps.iter().filter_map(|record| record.evidence.as_ref());
            all.find(|evidence| evidence.step == *step)
        };
        let wanted: Vec<(&Evidence, &Window)> =
            exchange.windows.iter().filter_map(|window| Some((evidence(&window.evidence)?, window))).collect();
        // Several windows of one result are of the same bytes, which may be many.
        let mut captured: BTreeMap<&Digest, Values> = BTreeMap::new();
        for digest in wanted.iter().map(|(evidence, _)| &evidence.digest).collect::<BTreeSet<_>>() {
            captured.extend(self.captured(digest).await.map(|whole| (digest, whole)));
        }
        let shown = wanted.iter().filter_map(|(evidence, Window { first, lines, .. })| {
            let whole = captured.get(&evidence.digest)?;
            Some(Shown { evidence, whole, first: *first, lines: *lines })
        });
        let windows: Vec<Shown<'_>> = shown.collect();
        let said = self.said_before(job, exchange).await;
        flow::question(&Asking {
            incident: &job.incident,
            exchange,
            pinned: &job.pinned,
            agents,
            kind: self.kind(&job.incident.environment),
            inventory,
            fence: &fence,
            redactor: &self.equipment().redactor,
            windows: &windows,
            said: said.as_deref(),
        })
    }

    /// What the model said before, in the exchange that had faults.
    async fn said_before(&self, job: &Job, exchange: &Exchange) -> Option<String> {
        let before = job.incident.exchanges.iter().rev().filter(|known| known.index < exchange.index);
        let last = before.filter(|known| known.agent == exchange.agent).find_map(|known| known.end.as_ref())?;
        let bytes = self.journal.blob(last.answer.clone()?).await.ok()??;
        String::from_utf8(bytes).ok()
    }

    async fn captured(&self, digest: &Digest) -> Option<Values> {
        serde_json::from_slice(&self.journal.blob(digest.clone()).await.ok()??).ok()
    }

    fn clean(&self, text: &str) -> String {
        self.equipment().redactor.text(text).into_owned()
    }
}

/// The question as the models take it.
fn sent(asked: Asked) -> llm::Question {
    let turns = asked.brief.turns.into_iter().map(|turn| match turn {
        brief::Turn::Told(text) => llm::Turn::Told(text),
        brief::Turn::Said(text) => llm::Turn::Said(text),
    });
    let turns = turns.collect();
    llm::Question { system: asked.brief.system, turns, form: asked.form.to_owned(), schema: asked.schema }
}

fn ended(index: u32, end: ExchangeEnd, blobs: Vec<Vec<u8>>) -> EffectResult {
    EffectResult::Facts { events: vec![EventBody::ExchangeEnded { index, end }], blobs }
}

/// The end of an exchange in which nothing was asked.
pub(super) fn nothing(error: &str) -> ExchangeEnd {
    ExchangeEnd {
        model: String::new(),
        request: Digest::of(b""),
        answer: None,
        usage: Usage::default(),
        cost: Cost::default(),
        milliseconds: 0,
        outcome: ExchangeOutcome::Failed { error: error.to_owned() },
    }
}
