//! Limits on when and how often things are changed: budgets, the flap breaker, storms.

use super::request::{GateRequest, Opinion, rule};
use crate::config::Policies;
use crate::domain::{Alerting, Mutation, StepId, TimeSpan};
use std::collections::BTreeSet;

/// What budgets, the flap breaker and the storm rule say to beginning an action; nothing if they have no objection.
pub(super) fn opinions(policies: &Policies, request: &GateRequest<'_>) -> Vec<Opinion> {
    let binding = request.binding;
    let here = |mutation: &Mutation| mutation.environment == binding.environment;
    let same_target = |mutation: &Mutation| here(mutation) && mutation.target == binding.target;
    let same_operation = |mutation: &Mutation| same_target(mutation) && mutation.operation == binding.operation;
    let budgets = &policies.budgets;
    let mut found = Vec::new();
    let mut limit = |name: &'static str, what: String, times: u32, window: TimeSpan, counted: usize| {
        if counted >= times as usize {
            found.push(Opinion::refuse(
                name,
                format!("{what} {counted} times in the last {window}; the limit is {times}, so people must look"),
            ));
        }
    };
    let counted = count(request, budgets.window, &same_target);
    limit(rule::BUDGET, format!("'{}' was changed", binding.target), budgets.per_target, budgets.window, counted);
    let counted = count(request, budgets.window, &here);
    let what = format!("environment '{}' was changed", binding.environment);
    limit(rule::BUDGET, what, budgets.per_environment, budgets.window, counted);
    let flap = &policies.flap;
    let counted = count(request, flap.window, &same_operation);
    let what = format!("{} was done to '{}'", binding.operation, binding.target);
    limit(rule::FLAP, what, flap.times, flap.window, counted);
    let Alerting { count, targets, .. } = request.alerting;
    if request.alerting.is_storm(&policies.storm) {
        found.push(Opinion::refuse(
            rule::STORM,
            format!("{count} of {targets} targets alert at once: the fault is likely in what they share"),
        ));
    }
    found
}

/// Different steps, other than the one that asks, that were begun within the window. What bears a time after now was
/// written before the clock was set back, and counts.
fn count(request: &GateRequest<'_>, window: TimeSpan, matches: &dyn Fn(&Mutation) -> bool) -> usize {
    let since = request.now.checked_sub_signed(window.as_chrono());
    let steps: BTreeSet<&StepId> = request
        .history
        .mutations
        .iter()
        .filter(|mutation| since.is_none_or(|since| mutation.at > since))
        .filter(|mutation| mutation.step != *request.step && matches(mutation))
        .map(|mutation| &mutation.step)
        .collect();
    steps.len()
}
