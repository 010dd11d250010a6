//! The models of one agent: asked in order until one answers, within one deadline for all of them.

use super::rest::Memory;
use super::{Answer, Anthropic, Model, ModelError, OpenAi, Question, Unanswered, reading};
use crate::config::{Agent, Agents, ModelConfig, Prices, Provider};
use crate::domain::{AgentRole, Cost, TimeSpan, Usage};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// What came of asking an agent's models.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// The model that answered, or was tried last, as the configuration names it.
    pub model: String,
    /// Its answer.
    pub answer: Option<Answer>,
    /// Tokens of all that were asked.
    pub usage: Usage,
    /// What all of them cost.
    pub cost: Cost,
    /// What went wrong on the way, in order.
    pub troubles: Vec<Trouble>,
}

impl Asked {
    /// Everything that went wrong, in words: `mini: the answer is empty; large: …`.
    pub fn words(&self) -> String {
        let words = self.troubles.iter().map(|trouble| format!("{}: {}", trouble.model, trouble.why));
        words.collect::<Vec<_>>().join("; ")
    }
}

/// A model that did not answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// Which, as the configuration names it.
    pub model: String,
    /// Why.
    pub why: String,
}

/// A model, and what is remembered of it whichever agent asks.
struct Member {
    name: String,
    model: Box<dyn Model>,
    timeout: TimeSpan,
    prices: Prices,
    max_output_tokens: u32,
    memory: Mutex<Memory>,
}

impl Member {
    fn new(name: &str, config: &ModelConfig) -> Result<Self, String> {
        let ModelConfig { timeout, prices, max_output_tokens, .. } = *config;
        let (name, model, memory) = (name.to_owned(), model(config)?, Mutex::default());
        Ok(Self { name, model, timeout, prices, max_output_tokens, memory })
    }

    fn remember<T>(&self, what: impl FnOnce(&mut Memory) -> T) -> T {
        // A panic elsewhere leaves at worst a rest that is too long or too short.
        what(&mut self.memory.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A client of the model.
///
/// # Errors
/// It cannot be asked: what to correct.
pub(super) fn model(config: &ModelConfig) -> Result<Box<dyn Model>, String> {
    Ok(match config.provider {
        Provider::Anthropic => Box::new(Anthropic::new(config)?),
        Provider::OpenAi | Provider::Azure | Provider::Compatible | Provider::Ollama => Box::new(OpenAi::new(config)?),
    })
}

/// The models of one agent.
pub struct Chain {
    members: Vec<Arc<Member>>,
    timeout: TimeSpan,
}

/// The models of each agent that has any. A model that two agents name is one, so that the second knows that it is away.
///
/// # Errors
/// A model that cannot be asked: which, and what to correct.
pub fn chains(agents: &Agents) -> Result<BTreeMap<AgentRole, Chain>, String> {
    let members = agents.models.iter().map(|(name, config)| match Member::new(name, config) {
        Ok(member) => Ok((name.as_str(), Arc::new(member))),
        Err(error) => Err(format!("agents.yml: the model {name}: {error}")),
    });
    let members: BTreeMap<&str, Arc<Member>> = members.collect::<Result<_, _>>()?;
    let chain = |agent: &Agent| Chain {
        members: agent.models.iter().filter_map(|name| members.get(name.as_str()).cloned()).collect(),
        timeout: agent.timeout,
    };
    let roles = [
        (AgentRole::Planner, &agents.planner),
        (AgentRole::Analyst, &agents.analyst),
        (AgentRole::Reporter, &agents.reporter),
    ];
    Ok(roles
        .into_iter()
        .filter(|(_, agent)| !agent.models.is_empty())
        .map(|(role, agent)| (role, chain(agent)))
        .collect())
}

impl Chain {
    /// Asks until one answers or the time is up: the agent's, or `within` where less may be waited. Whatever the trouble is
    /// with one, the next is asked: another vendor may know the key, take the question or have room for the answer.
    pub async fn ask(&self, question: &Question, within: TimeSpan) -> Asked {
        let (started, within) = (Instant::now(), within.min(self.timeout).as_std());
        let nobody = Asked {
            model: self.members.first().map(|member| member.name.clone()).unwrap_or_default(),
            answer: None,
            usage: Usage::default(),
            cost: Cost::default(),
            troubles: Vec::new(),
        };
        let mut asked = nobody;
        for member in &self.members {
            let trouble = |why: String| Trouble { model: member.name.clone(), why };
            if let Some(why) = member.remember(|memory| memory.resting(Instant::now())) {
                asked.troubles.push(trouble(why));
                continue;
            }
            let left = within.saturating_sub(started.elapsed()).as_millis() as u64;
            if left == 0 {
                asked.troubles.push(trouble("not asked, because the agent's time was up".into()));
                continue;
            }
            asked.model.clone_from(&member.name);
            let answer = self.ask_one(member, question, TimeSpan::from_millis(left)).await;
            let usage = match &answer {
                Ok(answer) => answer.usage,
                Err(unanswered) => unanswered.usage,
            };
            asked.usage += usage;
            asked.cost += member.prices.cost(usage);
            match answer {
                Ok(answer) => {
                    asked.answer = Some(answer);
                    break;
                }
                Err(unanswered) => asked.troubles.push(trouble(unanswered.error.to_string())),
            }
        }
        asked
    }

    /// Asks one model within what is left of the agent's time, and remembers how that went.
    async fn ask_one(&self, member: &Member, question: &Question, left: TimeSpan) -> Result<Answer, Unanswered> {
        let answer = reading::within(left, question, member.max_output_tokens, member.model.ask(question)).await;
        let most = member.timeout.min(self.timeout);
        member.remember(|memory| match &answer {
            Ok(_) => memory.answered(),
            // Where others took most of its time, that it was late says nothing of it.
            Err(Unanswered { error: ModelError::TimedOut(_), .. }) if left.as_std() < most.as_std() / 2 => {}
            Err(unanswered) => memory.failed(&unanswered.error, Instant::now()),
        });
        answer
    }
}
