//! Processes inside a service's containers.

use super::{
    DockerEnvironment,
    connect::DEADLINE,
    error::{Answer, EngineError, within},
};
use crate::domain::{Values, clean_text};
use bollard::query_parameters::TopOptionsBuilder;
use serde_json::{Value, json};

/// Processes in one result; more than a person reads.
const MOST: usize = 200;

impl DockerEnvironment {
    /// The result of `container.processes`.
    pub(super) async fn processes(&self, ids: &[String]) -> Answer<Values> {
        let columns = self.shared.engine.dialect().await?.columns();
        let mut found = Vec::new();
        // Of one that does not run, Podman's answer is empty.
        for container in self.some(ids).await?.iter().filter(|one| matches!(one.state(), "running" | "paused")) {
            let docker = self.shared.engine.docker()?;
            let options = TopOptionsBuilder::default().ps_args(columns).build();
            match within(DEADLINE, docker.top_processes(container.id(), Some(options))).await {
                Ok(top) => found.extend(rows(&top.titles.unwrap_or_default(), &top.processes.unwrap_or_default())),
                // It does not run, or no longer: no processes is the answer.
                Err(EngineError::Refused { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(result(found))
    }
}

fn rows(titles: &[String], rows: &[Vec<String>]) -> Vec<Value> {
    let column = |names: &[&str]| titles.iter().position(|title| names.contains(&title.as_str()));
    let (pid, parent) = (column(&["PID"]), column(&["PPID"]));
    let (user, state) = (column(&["USER", "UID"]), column(&["STAT", "STATE", "S"]));
    let (memory, command) = (column(&["RSS"]), column(&["COMMAND", "CMD", "ARGS"]));
    rows.iter()
        .map(|row| {
            let text = |at: Option<usize>| at.and_then(|at| row.get(at)).map_or("", |text| text.trim());
            let number = |at| text(at).parse::<i64>().unwrap_or(0);
            json!({
                "pid": number(pid), "parent": number(parent), "user": text(user), "state": text(state),
                "memory": number(memory).max(0) << 10, "command": clean_text(text(command), 300),
            })
        })
        .collect()
}

fn result(mut processes: Vec<Value>) -> Values {
    let in_state = |letter: char| {
        processes
            .iter()
            .filter(|process| process["state"].as_str().is_some_and(|state| state.starts_with(letter)))
            .count()
    };
    let (zombies, uninterruptible, count) = (in_state('Z'), in_state('D'), processes.len());
    processes.truncate(MOST);
    Values::from_iter([
        ("processes".to_owned(), json!(processes)),
        ("count".to_owned(), json!(count)),
        ("zombies".to_owned(), json!(zombies)),
        ("uninterruptible".to_owned(), json!(uninterruptible)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_their_titles() {
        let titles = ["USER", "PID", "PPID", "STAT", "RSS", "COMMAND"].map(str::to_owned);
        let row = ["root", "7", "1", "Zs", "4", "[sh] <defunct>"].map(str::to_owned).to_vec();
        let found = result(rows(&titles, &[row]));
        assert_eq!((&found["processes"][0]["memory"], &found["zombies"]), (&json!(4096), &json!(1)));
        let shape = crate::domain::spec_of("container.processes").unwrap().returns;
        assert!(shape.coerce(Value::Object(found)).is_ok());
    }
}
