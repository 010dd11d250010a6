//! What is no mistake, and yet hardly what is wanted.

use super::{Config, Role};
use crate::domain::GateDecision;
use std::collections::BTreeSet;

impl Config {
    /// Each in words, with what to do.
    pub fn warnings(&self) -> Vec<String> {
        let asks = |rule: &&super::Rule| rule.decision == GateDecision::Ask;
        let rules = self.policies.rules.iter().filter(asks);
        let rules = rules.map(|rule| (format!("the rule '{}'", rule.name), rule.role, rule.quorum));
        let defaults = &self.policies.defaults;
        let usual = ("'defaults'".to_owned(), defaults.role, defaults.quorum);
        std::iter::once(usual).chain(rules).filter_map(|(who, role, quorum)| self.too_few(&who, role, quorum)).collect()
    }

    /// Where more people must approve than there are, nothing is ever approved.
    fn too_few(&self, who: &str, role: Role, quorum: u32) -> Option<String> {
        let tokens = &self.platform.tokens;
        let people: BTreeSet<&str> =
            tokens.iter().filter(|token| token.role >= role).map(|token| token.name.as_str()).collect();
        // Without tokens, everybody who reaches the loopback address is one and the same.
        let there = if tokens.is_empty() { 1 } else { people.len() };
        let role = role.as_str();
        (usize::try_from(quorum).unwrap_or(usize::MAX) > there).then(|| {
            format!(
                "policies.yml: {who} wants {quorum} with the role '{role}' to approve, and there can be {there}: nothing \
                 that it asks about is ever approved; lower 'quorum', or add tokens in platform.yml"
            )
        })
    }
}
