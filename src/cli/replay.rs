//! `oncalld replay`: an incident decided on again from its journal, and what a model was asked and answered.

use super::{
    ConfigFolder, Failure, Output, block_on, configuration, ids, print, print_json,
    style::{Style, Tone, command_line, one_line},
};
use crate::app::{Archived, Difference, Recorded, Replay, Replayed, What};
use crate::config::{Config, Sources};
use crate::domain::{IncidentId, clean_text};
use serde_json::{Value, json};
use std::{path::PathBuf, process::ExitCode};

/// The exit code that says that something would be decided otherwise.
const DIFFERS: u8 = 3;

/// The longest text of an exchange that is printed: more than any model takes.
const LONGEST: usize = 4_000_000;

/// Which incident, and by which rules.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Id of the incident, or how it begins.
    id: String,
    #[command(flatten)]
    folder: ConfigFolder,
    /// Folder of the configuration that it is decided on again by, if that is not the one of --config, which says where
    /// the journal is.
    #[arg(long, value_name = "DIR")]
    with: Option<PathBuf>,
    /// Print what was asked and answered in this exchange with models instead.
    #[arg(long, value_name = "NUMBER")]
    exchange: Option<u32>,
}

/// Decides again, and tells what would be otherwise.
pub(super) fn run(arguments: &Arguments, output: Output) -> Result<ExitCode, Failure> {
    let here = configuration::load_to_read(arguments.folder.config.as_deref())?;
    let other = arguments.with.as_deref().map(|folder| configuration::load_to_read(Some(folder))).transpose()?;
    let with = other.as_ref().map_or(&here.config, |loaded| &loaded.config);
    let load = |sources: Sources| Config::load_to_read(sources, &here.variables).ok();
    block_on(async {
        let archived = Archived::open(&here.config, &load).await.map_err(Failure::failed)?;
        let id = known(&archived, &arguments.id).await?;
        let code = match arguments.exchange {
            Some(index) => exchange(&archived, &id, index, output).await,
            None => replay(&archived, &id, with, output).await,
        };
        archived.close().await;
        code
    })
}

/// The incident that was meant.
async fn known(archived: &Archived<'_>, given: &str) -> Result<IncidentId, Failure> {
    let bare = given.strip_prefix("inc_").unwrap_or(given);
    let found = archived.beginning(&format!("inc_{bare}")).await.map_err(Failure::failed)?;
    ids::of_these(given, found.iter().map(IncidentId::as_str)).map(IncidentId::new)
}

fn no_such(id: &IncidentId) -> Failure {
    Failure::failed(format!("{id} has no events in this journal"))
}

async fn replay(archived: &Archived<'_>, id: &IncidentId, with: &Config, output: Output) -> Result<ExitCode, Failure> {
    let replayed = archived.replay(id, with).await.map_err(Failure::failed)?.ok_or_else(|| no_such(id))?;
    if output.json {
        print_json(&as_json(&replayed, with))?;
    } else {
        print(&render(&replayed, &Style::of_stdout()).join("\n"))?;
    }
    let same = [&replayed.as_then, &replayed.with].into_iter().flatten().all(Replay::is_same);
    Ok(if same { ExitCode::SUCCESS } else { ExitCode::from(DIFFERS) })
}

fn as_json(replayed: &Replayed, with: &Config) -> Value {
    let Replayed { incident, as_then, with: other, notes } = replayed;
    let one = |replay: &Replay, digest: &crate::domain::Digest| {
        json!({
            "config": digest, "same": replay.is_same(), "first": replay.first, "differences": replay.differences,
            "decided": replay.decided, "cause": replay.incident.cause, "verdict": replay.incident.verdict,
            "unseen": replay.unseen, "unknown": replay.unknown,
        })
    };
    json!({
        "incident": incident.id, "closed": incident.closed_at.is_some(),
        "recorded": {"cause": incident.cause, "verdict": incident.verdict},
        "as_then": as_then.as_ref().map(|replay| one(replay, &incident.config)),
        "with": other.as_ref().map(|replay| one(replay, &with.digest)),
        "notes": notes,
    })
}

fn render(replayed: &Replayed, style: &Style) -> Vec<String> {
    let incident = &replayed.incident;
    let place = incident.service.as_ref().map_or_else(String::new, |service| format!("/{service}"));
    let mut lines = vec![format!(
        "{}  {}{place}  {}",
        style.paint(Tone::Strong, incident.id.as_str()),
        incident.environment,
        one_line(&incident.title)
    )];
    if incident.closed_at.is_none() {
        lines.push(style.paint(Tone::Warning, "it is still open: this is how far it has come"));
    }
    lines.extend(replayed.notes.iter().map(|note| style.paint(Tone::Warning, note)));
    let by_its_own = replayed.with.is_none();
    if let Some(replay) = &replayed.as_then {
        let rules =
            if by_its_own { "by the rules that it had, which are those of now" } else { "by the rules that it had" };
        lines.extend(one(replay, rules, style));
    }
    if let Some(replay) = &replayed.with {
        lines.extend(one(replay, "by the rules of now", style));
    }
    lines
}

fn one(replay: &Replay, rules: &str, style: &Style) -> Vec<String> {
    let outcome =
        if replay.is_same() { style.paint(Tone::Good, "the same") } else { style.paint(Tone::Bad, "not the same") };
    let mut lines = vec![String::new(), format!("{} {outcome}", style.paint(Tone::Strong, &format!("{rules}:")))];
    match &replay.first {
        Some(first) => {
            let at = style.time(first.at);
            lines.push(format!("  first at {at}, event {}", first.seq));
            lines.push(format!("    then  {}", one_line(&first.then)));
            lines.push(format!("    now   {}", one_line(&first.now)));
        }
        None => lines.extend(summary(replay)),
    }
    if !replay.differences.is_empty() {
        lines.push("  all in all".into());
    }
    lines.extend(replay.differences.iter().flat_map(|difference| told(difference, style)));
    let unseen = replay.unseen.iter().map(|what| format!("not recorded, so taken for unseen: {}", one_line(what)));
    let unknown = replay.unknown.iter().map(|why| format!("nobody knows how it would go on: {}", one_line(why)));
    lines.extend(unseen.chain(unknown).map(|line| format!("  {}", style.paint(Tone::Warning, &line))));
    lines
}

/// What was decided, in short.
fn summary(replay: &Replay) -> Vec<String> {
    let count = |what: What| replay.decided.iter().filter(|told| told.what == what).count();
    let mut lines = vec![format!("  {:<11}{} steps that only look", "plan", count(What::Plan))];
    let told = replay.decided.iter().filter(|told| told.what != What::Plan);
    lines.extend(told.map(|told| format!("  {:<11}{}", told.what.as_str(), one_line(&told.words))));
    lines
}

fn told(difference: &Difference, style: &Style) -> [String; 2] {
    let or_none = |words: &Option<String>| words.as_deref().map_or_else(|| "-".to_owned(), one_line);
    let then = style.paint(Tone::Faint, &format!("then  {}", or_none(&difference.then)));
    [format!("    {:<11}{then}", difference.what.as_str()), format!("    {:<11}now   {}", "", or_none(&difference.now))]
}

async fn exchange(archived: &Archived<'_>, id: &IncidentId, index: u32, output: Output) -> Result<ExitCode, Failure> {
    let recorded = archived.exchange(id, index).await.map_err(Failure::failed)?;
    let recorded = recorded.ok_or_else(|| Failure::failed(format!("{id} has no exchange {index} with models")))?;
    if output.json {
        let Recorded { exchange, question, answer } = &recorded;
        print_json(&json!({"exchange": exchange, "question": question, "answer": answer}))?;
    } else {
        print(&conversation(&recorded, &Style::of_stdout()).join("\n"))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The question as the model read it, and its answer as it came.
fn conversation(recorded: &Recorded, style: &Style) -> Vec<String> {
    let Recorded { exchange, question, answer } = recorded;
    let end = exchange.end.as_ref();
    let mut lines = vec![format!(
        "{}  {}  {}",
        style.paint(Tone::Strong, &format!("exchange {} of the {}", exchange.index, exchange.agent)),
        style.date_time(exchange.began_at),
        end.map_or_else(
            || "no answer yet".to_owned(),
            |end| format!(
                "{}, {} + {} tokens, {}, {} ms",
                one_line(&end.model),
                end.usage.input,
                end.usage.output,
                end.cost,
                end.milliseconds
            )
        )
    )];
    let used = match (exchange.settled, &exchange.unused) {
        (false, _) => "not settled yet".to_owned(),
        (true, None) => "its answer is used".to_owned(),
        (true, Some(why)) => format!("its answer is not used: {why}"),
    };
    lines.push(command_line(&used));
    let mut part = |title: &str, text: &str| {
        lines.push(String::new());
        lines.push(style.paint(Tone::Strong, title));
        lines.extend(text.lines().map(|line| clean_text(line, LONGEST)));
    };
    match question {
        Some(question) => {
            part("system", question["system"].as_str().unwrap_or_default());
            for turn in question["turns"].as_array().into_iter().flatten() {
                match (turn["told"].as_str(), turn["said"].as_str()) {
                    (Some(text), _) => part("told", text),
                    (None, Some(text)) => part("said before", text),
                    (None, None) => {}
                }
            }
            part("form of the answer", &format!("{:#}", question["schema"]));
        }
        None => part("question", "not recorded, or not kept any more"),
    }
    part("answer", answer.as_deref().unwrap_or("none, or not kept any more"));
    lines
}
