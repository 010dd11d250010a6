//! What is well-formed and yet must not run.

use crate::config::{Platform, SenderAuth};
use crate::document::{Node, Reports};

/// Without authentication, only this machine may reach the daemon.
pub(super) fn check(platform: &Platform, settings: &Node, reports: &Reports) {
    if platform.tokens.is_empty() && !platform.listen.ip().is_loopback() {
        let node = settings.get("listen").unwrap_or(settings);
        reports.at(
            node,
            format!("{} can be reached by others, and nobody has to say who they are", platform.listen),
            "configure tokens, or listen on 127.0.0.1",
        );
    }
    let open = platform.senders.iter().position(|sender| sender.auth == SenderAuth::None);
    if let Some(index) = open.filter(|_| !platform.listen.ip().is_loopback()) {
        let what = format!("{} can be reached by others, and this sender has no 'auth'", platform.listen);
        let node = settings.at_path(&format!("senders[{index}]"));
        reports.at(node, what, "add 'auth: {bearer_file: …}', or listen on 127.0.0.1");
    }
    duplicates(settings, "tokens", platform.tokens.iter().map(|token| token.name.as_str()), reports);
    duplicates(settings, "senders", platform.senders.iter().map(|sender| sender.name.as_str()), reports);
    duplicates(settings, "channels", platform.channels.iter().map(|channel| channel.name.as_str()), reports);
}

/// Names stand in the journal: two that are the same could not be told apart.
fn duplicates<'a>(settings: &Node, list: &str, names: impl Iterator<Item = &'a str>, reports: &Reports) {
    let mut seen = Vec::new();
    for (index, name) in names.enumerate() {
        if seen.contains(&name) {
            let node = settings.at_path(&format!("{list}[{index}].name"));
            reports.at(node, format!("the name '{name}' is given twice"), "give each a name of its own");
        }
        seen.push(name);
    }
}
