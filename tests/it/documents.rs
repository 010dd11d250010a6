//! Pages of docs/ that are made from the shipped configuration, so that they cannot say something else.
//!
//! After a change of the catalogue or the runbooks: `UPDATE_DOCS=1 cargo test --test it documents::`

use crate::support::source::root;
use oncalld::catalog::{On, Operation, Parameter, Undo};
use oncalld::config::{Config, Sources};
use oncalld::domain::{Effect, EnvironmentKind, Risk};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

fn shipped() -> Config {
    Config::load(Sources::built_in(), &BTreeMap::new()).unwrap_or_else(|problems| panic!("{problems}"))
}

/// Compares a page with what it should be, or writes it.
fn check(name: &str, wanted: &str) {
    let path = root().join("docs").join(name);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, wanted).expect("a writable page");
        return;
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "docs/{name} is not up to date: run UPDATE_DOCS=1 cargo test --test it documents::");
}

#[test]
fn operations_are_listed() {
    let config = shipped();
    let mut page = String::from(
        "# Operations\n\nWhat oncalld can be asked to do, as shipped: made from `config/operations.yml` and `translations/` by \
         `tests/it/documents.rs`.\nA native call in **bold** changes something.\n",
    );
    for (title, mutates) in [("Looking", false), ("Changing", true)] {
        let _ = write!(page, "\n## {title}\n");
        for operation in config.catalog.operations.values().filter(|operation| operation.mutates() == mutates) {
            describe(&mut page, operation, &config);
        }
    }
    check("operations.md", &page);
}

fn describe(page: &mut String, operation: &Operation, config: &Config) {
    let end = if operation.description.ends_with(['.', '?']) { "" } else { "." };
    let _ = write!(page, "\n### {}\n\n{}{end}", operation.name, operation.description);
    if operation.mutates() {
        let _ = write!(page, " Risk: {}", operation.risk);
        for raise in &operation.raise {
            let _ = write!(page, "; {} where `{}`", raise.to, raise.when.source());
        }
        page.push('.');
    }
    if operation.on == On::Environment {
        page.push_str(" Acts on the environment as a whole.");
    }
    page.push('\n');
    if !operation.parameters.is_empty() {
        page.push_str("\n| parameter | type | default | what |\n|---|---|---|---|\n");
        for (name, parameter) in &operation.parameters {
            let _ = writeln!(page, "{}", row(name, parameter));
        }
    }
    if let Some(verify) = &operation.verify {
        let expect = verify.expect.source().split_whitespace().collect::<Vec<_>>().join(" ");
        let _ = write!(page, "\n- It helped if, within {} and then for {}, ", verify.within, verify.soak);
        let says =
            verify.says.as_ref().and_then(|says| says.text()).map(|says| format!("{says}: ")).unwrap_or_default();
        let _ = writeln!(page, "{says}`{}` has `{expect}`", verify.operation);
    }
    if operation.mutates() {
        let undo = match operation.undo {
            Undo::Auto => "at once, if it did not help and nobody else changed the target",
            Undo::Ask => "after asking",
            Undo::None => "nothing to take back",
        };
        let _ = writeln!(page, "{}- Undo: {undo}", if operation.verify.is_some() { "" } else { "\n" });
    }
    calls(page, operation, config);
}

fn row(name: &str, parameter: &Parameter) -> String {
    let default = match (&parameter.default, parameter.required) {
        (Some(value), _) => format!("`{}`", value.as_str().map_or_else(|| value.to_string(), str::to_owned)),
        (None, true) => "required".to_owned(),
        (None, false) => String::new(),
    };
    let options: Vec<String> =
        parameter.options.iter().map(|value| format!("`{}`", value.as_str().unwrap_or("?"))).collect();
    let options = if options.is_empty() { String::new() } else { format!(": {}", options.join(", ")) };
    format!("| `{name}` | {} | {default} | {}{options} |", parameter.shape, parameter.description)
        .replace("|  |", "| |")
}

/// The native calls of each kind of environment, in the order of the translation.
fn calls(page: &mut String, operation: &Operation, config: &Config) {
    page.push('\n');
    for kind in EnvironmentKind::ALL {
        let translation = config.catalog.translations.get(&kind).and_then(|all| all.get(&operation.name));
        let Some(translation) = translation else {
            let _ = writeln!(page, "- {kind}: not there");
            continue;
        };
        let mut seen = BTreeSet::new();
        let all = translation.entries.iter().flat_map(|entry| &entry.calls);
        let names = all.filter(|call| seen.insert(call.name.clone())).map(|call| match call.effect {
            Effect::Act(risk) if risk > Risk::ReadOnly => format!("**`{}`**", call.name),
            _ => format!("`{}`", call.name),
        });
        let _ = writeln!(page, "- {kind}: {}", names.collect::<Vec<_>>().join(", "));
    }
}

#[test]
fn causes_are_listed() {
    let config = shipped();
    let mut page = String::from(
        "# Causes\n\nWhat oncalld can find, as shipped: made from `runbooks/` by `tests/it/documents.rs`.\n\n\
         | cause | runbook | when | remedies |\n|---|---|---|---|\n",
    );
    let mut rows = BTreeSet::new();
    for runbook in &config.catalog.runbooks {
        for finding in &runbook.findings {
            let Some(cause) = &finding.cause else { continue };
            let when = finding.when.source().split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
            let remedies: Vec<String> = finding.remedies.iter().map(|remedy| format!("`{remedy}`")).collect();
            rows.insert(format!("| `{cause}` | {} | `{when}` | {} |\n", runbook.id, remedies.join(", ")));
        }
    }
    page.extend(rows);
    check("causes.md", &page);
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut broken = Vec::new();
    let mut pages = crate::support::source::files("docs", &[".md"]);
    pages.push(root().join("README.md"));
    for page in pages {
        let text = std::fs::read_to_string(&page).expect("a readable page");
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let file = link.split('#').next().unwrap_or_default();
            if file.starts_with("http") || file.is_empty() {
                continue;
            }
            if !page.parent().expect("a folder").join(file).exists() {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// Every command that a page or the README shows has the flags that are shown with it.
#[test]
fn commands_in_pages_exist() {
    let shown =
        regex::Regex::new(r"(?:oncalld|cargo run(?: --release)? --) ([a-z][a-z-]*)((?: --?[a-z][a-z-]*)*)[ `\n]")
            .expect("a pattern");
    let mut pages = crate::support::source::files("docs", &[".md"]);
    pages.push(root().join("README.md"));
    let (mut seen, mut wrong) = (BTreeSet::new(), Vec::new());
    for page in pages {
        // To Compose the service is named before the program, and both have one name.
        let text = std::fs::read_to_string(&page).expect("a readable page").replace("oncalld oncalld ", "oncalld ");
        // Commands stand in code.
        let code = text.split('`').enumerate().filter(|(index, _)| index % 2 == 1).map(|(_, code)| format!("{code}\n"));
        for found in code.collect::<Vec<_>>().iter().flat_map(|code| shown.captures_iter(code)) {
            let (command, flags) = (found[1].to_owned(), found[2].to_owned());
            let help = std::process::Command::new(crate::support::daemon::ONCALLD).args([&command, "--help"]).output();
            let help = help.expect("the program runs");
            let text = String::from_utf8_lossy(&help.stdout);
            if !help.status.success() || flags.split_whitespace().any(|flag| !text.contains(flag)) {
                wrong.push(format!("{}: {}", page.display(), found[0].trim()));
            }
            seen.insert(command);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen.len() >= 8, "commands are found at all: {seen:?}");
}
