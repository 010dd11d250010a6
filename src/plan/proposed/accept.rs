//! What is made of a proposal: a plan, or everything that is wrong with it.

use super::offer::Offer;
use crate::{
    catalog::{On, Operation, Runbook},
    domain::{
        Expectation, Phase, PhaseName, Plan, PlanSource, Proposal, ProposedStep, Shape, Step, StepId, StepRole, Values,
        clean_text, nearest,
    },
    expr::{Expression, Scope},
    plan::validate::{MAX_STEPS, validate},
};
use std::collections::{BTreeMap, BTreeSet};

/// Most new steps that one proposal may have: a phase runs them side by side, and people have to read them.
const MAX_PROPOSED: usize = 20;

/// Most parts of results that one answer may ask for: each is read whole to show some lines of it.
const MAX_WINDOWS: usize = 5;

/// Longest text of a model that is kept, in characters: a few sentences.
const MAX_TEXT: usize = 400;

/// Makes a plan of a proposal: steps that it keeps, and those that it adds. Nothing if that is what is planned already.
///
/// # Errors
/// Everything that is wrong with the proposal, in words that help a model to mend it. None of it is done then.
pub fn accept(proposal: &Proposal, offer: &Offer<'_>, model: &str, revision: u32) -> Result<Option<Plan>, Vec<String>> {
    let mut faults = Vec::new();
    let kept = kept(proposal, offer, &mut faults);
    let added = added(proposal, offer, &mut faults);
    if proposal.steps.len() > MAX_PROPOSED {
        faults.push(format!("steps: {} are too many; propose at most {MAX_PROPOSED}", proposal.steps.len()));
    }
    let planned = offer.left.iter().filter(|left| left.planned).count();
    if offer.names.len().saturating_sub(planned) + kept.len() + added.len() > MAX_STEPS {
        faults.push(format!("steps: this diagnosis would have more than {MAX_STEPS} steps; propose fewer"));
    }
    remedy(proposal, offer, &mut faults);
    windows(proposal, offer, &mut faults);
    if !faults.is_empty() {
        return Err(faults);
    }
    let is_kept = |name: &str| kept.iter().any(|(_, step)| step.name == name);
    if added.is_empty() && offer.left.iter().all(|left| left.planned == is_kept(&left.step.name)) {
        return Ok(None);
    }
    let mut steps: Vec<(PhaseName, Step)> = kept.into_iter().chain(added).collect();
    steps.sort_by_key(|(phase, _)| *phase);
    let mut phases: Vec<Phase> = Vec::new();
    for (index, (name, mut step)) in steps.into_iter().enumerate() {
        step.id = offer.input.incident.step(revision, index + 1);
        match phases.last_mut().filter(|phase| phase.name == name) {
            Some(phase) => phase.steps.push(step),
            None => phases.push(Phase { name, steps: vec![step] }),
        }
    }
    let plan = Plan { revision, source: PlanSource::Model { model: model.to_owned() }, phases };
    // Whatever was looked at above, this is what every plan is held against.
    validate(&plan, &offer.input).map_err(|faults| faults.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    Ok(Some(plan))
}

fn kept(proposal: &Proposal, offer: &Offer<'_>, faults: &mut Vec<String>) -> Vec<(PhaseName, Step)> {
    let known = |name: &str| offer.left.iter().any(|left| left.step.name == name);
    let unknown = proposal.keep.iter().filter(|name| !known(name)).take(MAX_STEPS);
    faults.extend(unknown.map(|name| {
        let near = nearest(name, offer.left.iter().map(|left| left.step.name.as_str()));
        format!("keep: no planned step is named '{}'{}", clean_text(name, 60), did_you_mean(&near))
    }));
    let kept = offer.left.iter().filter(|left| proposal.keep.contains(&left.step.name));
    kept.map(|left| (left.phase, left.step.clone())).collect()
}

fn added(proposal: &Proposal, offer: &Offer<'_>, faults: &mut Vec<String>) -> Vec<(PhaseName, Step)> {
    let reserved = reserved(offer);
    let mut given: BTreeMap<&str, (PhaseName, &Operation)> = BTreeMap::new();
    let mut added = Vec::new();
    for (index, proposed) in proposal.steps.iter().enumerate().take(MAX_PROPOSED) {
        let place = format!("steps[{index}] ({})", clean_text(&proposed.operation, 60));
        let mut fault = |problem: String| faults.push(format!("{place}: {problem}"));
        if let Err(problem) = check_name(&proposed.name, &reserved, &given) {
            fault(problem);
        }
        if proposed.phase == PhaseName::Resolution {
            fault("a resolution has remedies only, which you choose with 'remedy'".into());
        }
        let Some((name, operation)) = offer.operations.get_key_value(proposed.operation.as_str()) else {
            let near = nearest(&proposed.operation, offer.operations.keys().copied());
            fault(format!("no such operation can be planned here{}", did_you_mean(&near)));
            continue;
        };
        let phase = proposed.phase.max(offer.from);
        let target = target(proposed, operation, offer).unwrap_or_else(|problem| {
            fault(problem);
            String::new()
        });
        let arguments = arguments(proposed, operation, offer).unwrap_or_else(|problems| {
            problems.into_iter().for_each(&mut fault);
            Values::new()
        });
        conditions(proposed, operation, offer, &given, phase).into_iter().for_each(&mut fault);
        given.insert(&proposed.name, (phase, operation));
        let step = Step {
            id: offer.input.incident.step(0, 0),
            name: proposed.name.clone(),
            operation: (*name).to_owned(),
            target,
            arguments,
            reason: clean_text(&proposed.reason, MAX_TEXT),
            role: StepRole::Diagnose,
            timeout: operation.timeout,
            expects: Some(shortened(&proposed.expects)),
        };
        added.push((phase, step));
    }
    added
}

/// Names that a model may not give: those of steps that there are, and those under which conditions of runbooks look for
/// the results of their own steps.
fn reserved<'a>(offer: &Offer<'a>) -> BTreeSet<&'a str> {
    let runbooks = offer.input.catalog.runbooks.iter().flat_map(|runbook| &runbook.steps).map(|step| step.id.as_str());
    offer.names.iter().copied().chain(runbooks).chain(["alert", "target"]).collect()
}

fn check_name(
    name: &str,
    reserved: &BTreeSet<&str>,
    given: &BTreeMap<&str, (PhaseName, &Operation)>,
) -> Result<(), String> {
    let shown = clean_text(name, 60);
    let mut characters = name.chars();
    let begins = characters.next().is_some_and(|first| first.is_ascii_lowercase());
    let goes_on = characters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if !begins || !goes_on || name.len() > 40 {
        return Err(format!("name: '{shown}' is none; use at most 40 of a-z, 0-9 and _, a letter first"));
    }
    if reserved.contains(name) || given.contains_key(name) {
        return Err(format!("name: '{shown}' is taken; choose another"));
    }
    Ok(())
}

fn target(proposed: &ProposedStep, operation: &Operation, offer: &Offer<'_>) -> Result<String, String> {
    match (operation.on, proposed.target.as_deref()) {
        (On::Environment, None) => Ok(String::new()),
        (On::Environment, Some(_)) => Err("target: it is about the environment; give null".into()),
        (On::Service, None) => Err("target: is missing; give the name of a service".into()),
        (On::Service, Some(name)) => in_scope(name, offer).map_err(|fault| format!("target: {fault}")),
    }
}

/// A service that the incident may be about.
fn in_scope(name: &str, offer: &Offer<'_>) -> Result<String, String> {
    if offer.targets.contains(name) {
        return Ok(name.to_owned());
    }
    let near = nearest(name, offer.targets.iter().copied());
    Err(format!("'{}' is not what this incident is about{}", clean_text(name, 60), did_you_mean(&near)))
}

fn arguments(proposed: &ProposedStep, operation: &Operation, offer: &Offer<'_>) -> Result<Values, Vec<String>> {
    let given = proposed.arguments.iter().filter(|(_, value)| !value.is_null());
    let given: Values = given.map(|(name, value)| (name.clone(), value.clone())).collect();
    let fault = |problem: String| clean_text(&format!("arguments.{problem}"), MAX_TEXT);
    let checked = operation
        .check_arguments(given)
        .map_err(|errors| errors.iter().map(|error| fault(error.to_string())).collect::<Vec<_>>())?;
    let services = checked.iter().filter(|(name, _)| {
        operation.parameters.get(*name).is_some_and(|parameter| *parameter.shape.inner() == Shape::Target)
    });
    let foreign = services.filter_map(|(name, value)| in_scope(value.as_str()?, offer).err().map(|f| (name, f)));
    let faults: Vec<String> = foreign.map(|(name, problem)| fault(format!("{name}: {problem}"))).collect();
    if faults.is_empty() { Ok(checked) } else { Err(faults) }
}

/// What is wrong with the conditions of a step. Steps of one phase run side by side: `when` sees those of earlier ones.
fn conditions(
    proposed: &ProposedStep,
    operation: &Operation,
    offer: &Offer<'_>,
    given: &BTreeMap<&str, (PhaseName, &Operation)>,
    phase: PhaseName,
) -> Vec<String> {
    let earlier = given.iter().filter(|(_, (other, _))| *other < phase);
    let earlier: BTreeMap<_, _> =
        earlier.map(|(name, (_, operation))| ((*name).to_owned(), operation.returns.clone())).collect();
    let before = scope(offer).extend(&Runbook::scope(&earlier));
    let after = before.clone().with(&proposed.name, operation.returns.clone());
    let Expectation { when, success, .. } = &proposed.expects;
    [("when", when, before), ("success", success, after)]
        .into_iter()
        .filter_map(|(field, source, scope)| {
            let error = Expression::bounded(source.as_deref()?, &scope).err()?;
            Some(clean_text(&format!("expects.{field}: {error}"), MAX_TEXT))
        })
        .collect()
}

/// What conditions of proposed steps see: the alert, the target, what was seen, and what is planned.
fn scope(offer: &Offer<'_>) -> Scope {
    let returns = |operation: &str| offer.input.catalog.operations.get(operation).map(|known| known.returns.clone());
    let seen =
        offer.evidence.iter().filter_map(|evidence| Some((evidence.name.clone(), returns(&evidence.operation)?)));
    let left = offer.left.iter().filter_map(|left| Some((left.step.name.clone(), returns(&left.step.operation)?)));
    Runbook::scope(&seen.chain(left).collect())
}

fn remedy(proposal: &Proposal, offer: &Offer<'_>, faults: &mut Vec<String>) {
    let Some(chosen) = &proposal.remedy else { return };
    let Some(remedy) = offer.remedies.iter().find(|remedy| remedy.id == chosen.id) else {
        let near = nearest(&chosen.id, offer.remedies.iter().map(|remedy| remedy.id.as_str()));
        faults.push(format!("remedy: '{}' is not offered{}", clean_text(&chosen.id, 60), did_you_mean(&near)));
        return;
    };
    for (name, value) in chosen.arguments.iter().filter(|(_, value)| !value.is_null()) {
        let problem = match remedy.choices.get(name.as_str()) {
            None => Some("cannot be chosen; leave it out".to_owned()),
            Some(parameter) => parameter.accept(value.clone()).err(),
        };
        faults.extend(
            problem.map(|problem| {
                format!("remedy.arguments.{}: {}", clean_text(name, 60), clean_text(&problem, MAX_TEXT))
            }),
        );
    }
}

/// What is wrong with the parts of results that it asks for: only what this diagnosis has seen can be shown.
fn windows(proposal: &Proposal, offer: &Offer<'_>, faults: &mut Vec<String>) {
    if proposal.windows.len() > MAX_WINDOWS {
        let count = proposal.windows.len();
        faults.push(format!("windows: {count} are too many; ask for at most {MAX_WINDOWS}"));
    }
    let known = |step: &StepId| offer.evidence.iter().any(|evidence| evidence.step == *step);
    let unknown = proposal.windows.iter().take(MAX_WINDOWS).filter(|window| !known(&window.evidence));
    faults.extend(
        unknown.map(|window| format!("windows: there is no evidence '{}'", clean_text(window.evidence.as_str(), 60))),
    );
}

fn shortened(expects: &Expectation) -> Expectation {
    let mut expects = expects.clone();
    expects.meanings.truncate(MAX_PROPOSED);
    for meaning in &mut expects.meanings {
        meaning.result = clean_text(&meaning.result, MAX_TEXT);
        meaning.meaning = clean_text(&meaning.meaning, MAX_TEXT);
    }
    expects
}

fn did_you_mean(near: &[&str]) -> String {
    match near {
        [] => String::new(),
        near => format!("; did you mean {}?", near.join(", ")),
    }
}
