//! policies.yml.

use super::platform::all;
use crate::catalog::condition;
use crate::config::{
    Budgets, Defaults, EnvironmentConfig, Flap, Freeze, Policies, Role, Rule, Storm, Unprotect, Window, policy_scope,
};
use crate::document::{Decode, Fields, Node, Reports, choices};
use crate::domain::{GateDecision, Timestamp, nearest};
use chrono::{NaiveTime, Weekday};
use std::collections::BTreeMap;

choices! { GateDecision: "run" => GateDecision::Run, "ask" => GateDecision::Ask, "refuse" => GateDecision::Refuse }

/// A day of the week.
struct Day(Weekday);

choices! { Day:
    "mon" => Day(Weekday::Mon),
    "tue" => Day(Weekday::Tue),
    "wed" => Day(Weekday::Wed),
    "thu" => Day(Weekday::Thu),
    "fri" => Day(Weekday::Fri),
    "sat" => Day(Weekday::Sat),
    "sun" => Day(Weekday::Sun),
}

type Environments = BTreeMap<String, EnvironmentConfig>;

pub(super) fn read(settings: &Node, environments: &Environments, reports: &Reports) -> Option<Policies> {
    let fields = Fields::of(settings.get("policies")?, reports)?;
    let defaults = fields.required_raw("defaults").and_then(|node| defaults(node, reports));
    let (role, quorum) = defaults.as_ref().map_or((Role::Approver, 1), |defaults| (defaults.role, defaults.quorum));
    let rules = all(fields.elements("rules"), |node| rule(node, role, quorum, reports));
    let budgets = fields.required_raw("budgets").and_then(|node| budgets(node, reports));
    let flap = fields.required_raw("flap").and_then(|node| flap(node, reports));
    let freeze = all(fields.elements("freeze"), |node| freeze(node, environments, reports));
    let unprotect = all(fields.elements("unprotect"), |node| unprotect(node, environments, reports));
    let storm = fields.required_raw("storm").and_then(|node| storm(node, reports));
    fields.finish();
    Some(Policies {
        rules: rules?,
        defaults: defaults?,
        budgets: budgets?,
        flap: flap?,
        freeze: freeze?,
        unprotect: unprotect?,
        storm: storm?,
    })
}

fn rule(node: &Node, default_role: Role, default_quorum: u32, reports: &Reports) -> Option<Rule> {
    let fields = Fields::of(node, reports)?;
    let name: Option<String> = fields.required("name");
    let when = fields.required_raw("when").and_then(|node| condition(node, &policy_scope(), reports));
    let decision = fields.required("decision");
    let (role, quorum) = (fields.or("role", default_role), quorum(&fields, default_quorum));
    let reason = fields.or("reason", name.clone().unwrap_or_default());
    fields.finish();
    Some(Rule { name: name?, when: when?, decision: decision?, role: role?, quorum: quorum?, reason: reason? })
}

/// With a quorum of none, nobody would be asked.
fn quorum(fields: &Fields<'_>, default: u32) -> Option<u32> {
    let quorum = fields.or("quorum", default)?;
    match (quorum, fields.raw("quorum")) {
        (0, Some(node)) => {
            fields.reports.at(node, "a quorum of 0 asks nobody", "write at least 1, or 'decision: run'");
            None
        }
        _ => Some(quorum),
    }
}

fn defaults(node: &Node, reports: &Reports) -> Option<Defaults> {
    let fields = Fields::of(node, reports)?;
    let (expires, role, quorum) = (fields.required("expires"), fields.required("role"), quorum(&fields, 1));
    let (escalate_every, claimed) = (fields.required("escalate_every"), fields.required("claimed"));
    fields.finish();
    Some(Defaults {
        expires: expires?,
        role: role?,
        quorum: quorum?,
        escalate_every: escalate_every?,
        claimed: claimed?,
    })
}

fn budgets(node: &Node, reports: &Reports) -> Option<Budgets> {
    let fields = Fields::of(node, reports)?;
    let (per_target, per_environment, window) =
        (fields.required("per_target"), fields.required("per_environment"), fields.required("window"));
    fields.finish();
    Some(Budgets { per_target: per_target?, per_environment: per_environment?, window: window? })
}

fn flap(node: &Node, reports: &Reports) -> Option<Flap> {
    let fields = Fields::of(node, reports)?;
    let (times, window) = (fields.required("times"), fields.required("window"));
    fields.finish();
    Some(Flap { times: times?, window: window? })
}

fn storm(node: &Node, reports: &Reports) -> Option<Storm> {
    let fields = Fields::of(node, reports)?;
    let (percent, minimum, window) =
        (fields.required("percent"), fields.required("minimum"), fields.required("window"));
    if let (Some(101..), Some(node)) = (percent, fields.raw("percent")) {
        reports.at(node, "more than all services never alert", "write 100 or less");
    }
    fields.finish();
    Some(Storm { percent: percent?, minimum: minimum?, window: window? })
}

fn freeze(node: &Node, environments: &Environments, reports: &Reports) -> Option<Freeze> {
    let fields = Fields::of(node, reports)?;
    let name = fields.required("name");
    let days = fields.or("days", Vec::<Day>::new());
    let (from, to) = (fields.required_raw("from"), fields.required_raw("to"));
    let names = all(fields.elements("environments"), |node| known(node, environments, reports));
    fields.finish();
    let days = days?.into_iter().map(|day| day.0).collect();
    Some(Freeze { name: name?, window: window(from?, to?, days, reports)?, environments: names? })
}

/// Two moments make a window once, two times of day a daily one.
fn window(from: &Node, to: &Node, days: Vec<Weekday>, reports: &Reports) -> Option<Window> {
    let time = |node: &Node| node.text().and_then(|text| NaiveTime::parse_from_str(text, "%H:%M").ok());
    if let (Some(from), Some(to)) = (time(from), time(to)) {
        return Some(Window::Daily { from, to, days });
    }
    let (start, end) = (Timestamp::decode(from, reports)?, Timestamp::decode(to, reports)?);
    if end <= start {
        reports.at(to, "the window ends before it begins", "swap 'from' and 'to'");
        return None;
    }
    Some(Window::Once { from: start, to: end })
}

fn unprotect(node: &Node, environments: &Environments, reports: &Reports) -> Option<Unprotect> {
    let fields = Fields::of(node, reports)?;
    let environment = fields.required_raw("environment").and_then(|node| known(node, environments, reports));
    let service = fields.required("service");
    fields.finish();
    Some(Unprotect { environment: environment?, service: service? })
}

/// The name of an environment.
fn known(node: &Node, environments: &Environments, reports: &Reports) -> Option<String> {
    let name = String::decode(node, reports)?;
    if environments.contains_key(&name) {
        return Some(name);
    }
    let near =
        nearest(&name, environments.keys().map(String::as_str)).first().map(|near| format!("did you mean '{near}'?"));
    reports.at(node, format!("there is no environment '{name}'"), near.unwrap_or_else(|| "correct the name".into()));
    None
}
