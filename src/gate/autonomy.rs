//! How much an environment's owner lets oncalld do by itself.

use super::request::{GateRequest, Opinion, Purpose, rule};
use crate::config::Autonomy;
use crate::domain::Risk;

/// What the autonomy level says to beginning an action, or to an undo.
pub(super) fn opinion(autonomy: Autonomy, request: &GateRequest<'_>, risk: Risk) -> Opinion {
    match request.purpose {
        Purpose::Undo { automatic: true } => {
            Opinion::run(rule::UNDO, "the target is as the action left it, and the operation's undo runs by itself")
        }
        Purpose::Undo { automatic: false } => {
            Opinion::ask(rule::UNDO, "this undo may meet changes that are not ours, so a person must decide")
        }
        Purpose::Begin | Purpose::Continue => level(autonomy, risk),
    }
}

fn level(autonomy: Autonomy, risk: Risk) -> Opinion {
    match (autonomy, risk) {
        (Autonomy::Observe, _) => {
            Opinion::refuse(rule::AUTONOMY, "the environment is at autonomy 'observe': it is diagnosed, never changed")
        }
        (Autonomy::Suggest, _) => {
            Opinion::refuse(rule::AUTONOMY, "the environment is at autonomy 'suggest': remedies are reported, not run")
        }
        (Autonomy::Approve, _) => {
            Opinion::ask(rule::AUTONOMY, "the environment is at autonomy 'approve': a person decides on every change")
        }
        (Autonomy::Auto, Risk::Destructive) => {
            Opinion::ask(rule::AUTONOMY, "the step is destructive: a person decides even at autonomy 'auto'")
        }
        (Autonomy::Auto, Risk::ReadOnly | Risk::Reversible) => {
            Opinion::run(rule::AUTONOMY, format!("the step is {risk}, and the environment is at autonomy 'auto'"))
        }
    }
}
